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
	"github.com/gqlboost/gqlboost/lifecycle"
	"github.com/gqlboost/gqlboost/pool"
)

const (
	startTimeout    = 10 * time.Minute // of seeding at a large scale
	shutdownTimeout = 10 * time.Second
	streamGrace     = 2 * time.Second
)

// Options are the flags that all servers have.
type Options struct {
	Addr, DebugAddr string
	DSN             string
	PoolConns       int
	Scale           float64
	SeedOnly        bool
	DrainDelay      time.Duration
	// Metrics, if not nil, is given what the server's life counts.
	Metrics *Metrics
}

// AddFlags adds the flags.
func (o *Options) AddFlags(f *flag.FlagSet) {
	f.StringVar(&o.Addr, "addr", "127.0.0.1:8080", "address to serve on")
	f.StringVar(&o.DebugAddr, "debug-addr", "127.0.0.1:0", "loopback address of pprof and runtime metrics; empty for none")
	f.StringVar(&o.DSN, "dsn", "", "PostgreSQL to use; a private one if empty")
	f.IntVar(&o.PoolConns, "pool-conns", 25, "connections of the pool")
	f.Float64Var(&o.Scale, "scale", 0.1, "size of the data that an empty database is filled with; 1 is 10k users")
	f.DurationVar(&o.DrainDelay, "drain-delay", 0, "how long to serve after /readyz fails, for a balancer to see it")
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

// Warmer is a server that can be made fast before its first request.
type Warmer interface {
	Warm(context.Context) error
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
	var listener net.Listener
	life, err := newLife(o, func() {
		if listener != nil {
			log.Printf("serving: http://%s/", listener.Addr())
		}
	})
	if err != nil {
		return err
	}
	if o.Metrics != nil {
		o.Metrics.Add(life)
	}
	if err := life.Add(database(o)); err != nil {
		return err
	}
	if o.SeedOnly {
		life.Hurry() // No balancer waits.
		return errors.Join(life.Start(ctx), life.Shutdown(ctx))
	}
	var server Server
	err = life.Add(lifecycle.Component{
		Name:  "server",
		Start: func(ctx context.Context) (err error) { server, err = open(ctx); return err },
		Warm: func(ctx context.Context) error {
			if w, ok := server.(Warmer); ok {
				return w.Warm(ctx)
			}
			return nil
		},
		Close: func(context.Context) error { server.Close(); return nil },
	})
	if err != nil {
		return err
	}
	listener, err = net.Listen("tcp", o.Addr)
	if err != nil {
		return err
	}
	closer, err := serveDebug(o.DebugAddr, debug)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer closer.Close()
	// No request comes before the server is there.
	return serve(ctx, life, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r)
	}))
}

// newLife returns the life of a server.
func newLife(o *Options, ready func()) (*lifecycle.Lifecycle, error) {
	delay := o.DrainDelay
	if delay == 0 {
		delay = lifecycle.NoWait
	}
	return lifecycle.New(lifecycle.Options{
		DrainDelay: delay, DrainTimeout: shutdownTimeout, StreamGrace: streamGrace,
		OnState: func(s lifecycle.State) {
			switch s {
			case lifecycle.Ready:
				ready()
			case lifecycle.Draining:
				log.Print("shutting down")
			}
		},
		OnError: func(err error) { log.Print(err) },
	})
}

// database is the private Postgres, if no other is to be used, and the data in it.
func database(o *Options) lifecycle.Component {
	var private *postgres.Server
	return lifecycle.Component{
		Name: "database", Timeout: startTimeout,
		Start: func(ctx context.Context) (err error) {
			if o.DSN == "" {
				private, err = postgres.Start(ctx, postgres.Options{
					Settings: postgres.Volatile(), Preload: []string{"pg_stat_statements"},
				})
				if err != nil {
					return err
				}
				o.DSN = private.DSN()
			}
			if err := fill(ctx, o); err != nil {
				return errors.Join(fmt.Errorf("filling the database: %w", err), stop(private))
			}
			return nil
		},
		Close: func(context.Context) error { return stop(private) },
	}
}

func stop(private *postgres.Server) error {
	if private == nil {
		return nil
	}
	return private.Stop()
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
	config, err := pool.ParseConfig(o.DSN) // It may have the pool's parameters in it.
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
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

// serve returns when ctx has ended and the requests under way are answered.
func serve(ctx context.Context, life *lifecycle.Lifecycle, l net.Listener, h http.Handler) error {
	mux := http.NewServeMux()
	for _, path := range []string{"/livez", "/readyz", "/startupz"} {
		mux.Handle(path, life.Probes())
	}
	mux.Handle("/", life.Handler(h))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	return life.Run(ctx, s, l)
}
