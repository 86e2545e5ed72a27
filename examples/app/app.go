// Package app is what the example servers have in common: flags, a private Postgres with
// data in it, listening, and an orderly end.
package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/examples/blog/seed"
	"github.com/gqlboost/gqlboost/internal/postgres"
)

const (
	startTimeout    = 10 * time.Minute // of seeding at a large scale
	shutdownTimeout = 10 * time.Second
)

// Options are the flags that all servers have.
type Options struct {
	Addr, DebugAddr string
	DSN             string
	PoolConns       int
	Scale           float64
	SeedOnly        bool
}

// AddFlags adds the flags.
func (o *Options) AddFlags(f *flag.FlagSet) {
	f.StringVar(&o.Addr, "addr", "127.0.0.1:8080", "address to serve on")
	f.StringVar(&o.DebugAddr, "debug-addr", "127.0.0.1:0", "loopback address of pprof and runtime metrics; empty for none")
	f.StringVar(&o.DSN, "dsn", "", "PostgreSQL to use; a private one if empty")
	f.IntVar(&o.PoolConns, "pool-conns", 25, "connections of the pool")
	f.Float64Var(&o.Scale, "scale", 0.1, "size of the data that an empty database is filled with; 1 is 10k users")
	f.BoolVar(&o.SeedOnly, "seed-only", false, "fill the database and exit")
}

// Parse parses flags. Each has an environment variable: -pool-conns is BLOG_POOL_CONNS.
func Parse(f *flag.FlagSet, args []string, getenv func(string) string) error {
	var err error
	f.VisitAll(func(each *flag.Flag) {
		name := "BLOG_" + strings.ToUpper(strings.ReplaceAll(each.Name, "-", "_"))
		if value := getenv(name); value != "" {
			if setErr := f.Set(each.Name, value); setErr != nil && err == nil {
				err = fmt.Errorf("%s: %w", name, setErr)
				fmt.Fprintln(f.Output(), err)
			}
		}
	})
	if err != nil {
		return err
	}
	return f.Parse(args)
}

// Server is a handler, and what to close when its requests have ended.
type Server interface {
	http.Handler
	Close()
}

// Closers is what a server holds, in the order in which it was opened.
type Closers []func()

// Close gives all of it back, the last first. No request may be under way any more.
func (c Closers) Close() {
	for _, each := range slices.Backward(c) {
		each()
	}
}

// Main runs a server until the process is told to end.
func Main(name string, o *Options, debug http.Handler, open func(context.Context) (Server, error)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, debug, open); err != nil {
		log.Fatal(name, ": ", err)
	}
}

func run(ctx context.Context, o *Options, debug http.Handler, open func(context.Context) (Server, error)) (err error) {
	if o.DSN == "" {
		private, err := postgres.Start(ctx, postgres.Options{
			Settings: postgres.Volatile(), Preload: []string{"pg_stat_statements"},
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, private.Stop()) }()
		o.DSN = private.DSN()
	}
	if err := fill(ctx, o); err != nil {
		return fmt.Errorf("filling the database: %w", err)
	}
	if o.SeedOnly {
		return nil
	}
	server, err := open(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return err
	}
	closer, err := serveDebug(o.DebugAddr, debug)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer closer.Close()
	log.Printf("serving: http://%s/", listener.Addr())
	return serve(ctx, listener, server)
}

// serveDebug serves what only the owner sees, if there is an address.
func serveDebug(addr string, h http.Handler) (io.Closer, error) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	if addr == "" {
		return s, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	go func() { _ = s.Serve(l) }() // Returns when it is closed.
	log.Printf("debug: http://%s/debug/pprof/", l.Addr())
	return s, nil
}

// fill seeds an empty database.
func fill(ctx context.Context, o *Options) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, o.DSN)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	start := time.Now()
	counts, err := seed.Fill(ctx, conn, o.Scale)
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
