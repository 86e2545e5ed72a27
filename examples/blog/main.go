// Command blog serves a blog's GraphQL API: the baseline that gqlboost's blocks
// are measured against, and with -boosted the same server with all of them. Without
// -dsn it starts a private Postgres and fills it. It serves on http://127.0.0.1:8080/.
//
// Every flag has an environment variable: -pool-conns is BLOG_POOL_CONNS.
package main

//go:generate go tool gqlgen generate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/examples/blog/seed"
	"github.com/gqlboost/gqlboost/examples/blog/server"
	"github.com/gqlboost/gqlboost/examples/blog/spans"
	"github.com/gqlboost/gqlboost/internal/postgres"
)

const (
	startTimeout    = 10 * time.Minute // of seeding at a large scale
	shutdownTimeout = 10 * time.Second
)

type options struct {
	addr, debugAddr string
	dsn             string
	poolConns       int
	scale           float64
	seedOnly        bool
	spans           bool
	gcBudget        int64
	blocks          blocks.Blocks
}

func main() {
	o, err := parse(os.Args[1:], os.Getenv)
	if err != nil {
		os.Exit(2) // flag has said why.
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		log.Fatal("blog: ", err)
	}
}

func parse(args []string, getenv func(string) string) (options, error) {
	var o options
	f := flag.NewFlagSet("blog", flag.ContinueOnError)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address to serve on")
	f.StringVar(&o.debugAddr, "debug-addr", "127.0.0.1:0", "loopback address of pprof and runtime metrics; empty for none")
	f.StringVar(&o.dsn, "dsn", "", "PostgreSQL to use; a private one if empty")
	f.IntVar(&o.poolConns, "pool-conns", 25, "connections of the pool")
	f.Float64Var(&o.scale, "scale", 0.1, "size of the data that an empty database is filled with; 1 is 10k users")
	f.BoolVar(&o.seedOnly, "seed-only", false, "fill the database and exit")
	f.BoolVar(&o.spans, "spans", false, "measure where requests spend their time, and contention; for profiling")
	f.Int64Var(&o.gcBudget, "gc-budget", 0, "memory in MiB that arena.TuneGC may use, which it switches on; 0 is TuneGC's default with -gc")
	chosen := blocks.AddFlags(f)
	var err error
	f.VisitAll(func(each *flag.Flag) {
		name := "BLOG_" + strings.ToUpper(strings.ReplaceAll(each.Name, "-", "_"))
		if value := getenv(name); value != "" {
			if setErr := each.Value.Set(value); setErr != nil && err == nil {
				err = fmt.Errorf("%s: %w", name, setErr)
				fmt.Fprintln(os.Stderr, err)
			}
		}
	})
	if err != nil {
		return o, err
	}
	err = f.Parse(args)
	o.blocks = chosen()
	return o, err
}

func run(ctx context.Context, o options) (err error) {
	if o.dsn == "" {
		private, err := postgres.Start(ctx, postgres.Options{
			Settings: postgres.Volatile(), Preload: []string{"pg_stat_statements"},
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, private.Stop()) }()
		o.dsn = private.DSN()
	}
	if err := fill(ctx, o); err != nil {
		return fmt.Errorf("filling the database: %w", err)
	}
	if o.seedOnly {
		return nil
	}

	var recorder *spans.Recorder
	if o.spans {
		recorder = new(spans.Recorder)
		server.ProfileContention()
	}
	handler, err := o.blocks.Open(ctx, o.dsn, o.poolConns, o.gcBudget<<20, recorder)
	if err != nil {
		return err
	}
	defer handler.Close()

	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	if o.debugAddr != "" {
		debug, err := net.Listen("tcp", o.debugAddr)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		debugServer := &http.Server{Handler: server.Debug(recorder), ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = debugServer.Serve(debug) }() // Returns when it is closed.
		defer debugServer.Close()
		log.Printf("debug: http://%s/debug/pprof/", debug.Addr())
	}
	log.Printf("serving: http://%s/", listener.Addr())
	return serve(ctx, listener, handler)
}

// fill seeds an empty database.
func fill(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, o.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	start := time.Now()
	counts, err := seed.Fill(ctx, conn, o.scale)
	if errors.Is(err, seed.ErrSeeded) {
		return nil
	}
	if err == nil {
		log.Printf("seeded %d users, %d posts, %d comments in %v", counts.Users, counts.Posts, counts.Comments,
			time.Since(start).Round(time.Millisecond))
	}
	return err
}

// serve returns when ctx is cancelled and the requests under way are answered.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	log.Print("shutting down")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return s.Shutdown(ctx)
}
