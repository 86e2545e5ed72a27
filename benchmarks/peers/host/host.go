// Package host is what the Go peers have in common: flags, the blog's rows behind pgx, and
// data loaders for each request, plain or with gqlboost's blocks.
package host

import (
	"context"
	"flag"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/examples/app"
	"github.com/gqlboost/gqlboost/examples/blog/graph"
	"github.com/gqlboost/gqlboost/examples/blog/server"
	"github.com/gqlboost/gqlboost/examples/blog/store"
	"github.com/gqlboost/gqlboost/pool"
)

// Host is what a peer's handler is made of.
type Host struct {
	app.Closers
	// Store reads and writes the rows.
	Store *store.Store
	// Boosted reports whether the blocks are wanted.
	Boosted bool
}

// Main runs a peer until the process is told to end. The handler that build returns
// serves /graphql.
func Main(name string, build func(*Host) (http.Handler, error)) {
	var o app.Options
	f := flag.NewFlagSet(name, flag.ExitOnError)
	o.AddFlags(f)
	boosted := f.Bool("boosted", false, "use gqlboost's blocks: the host's adapter, pool with its Reader, "+
		"plancache where the host takes plans, and the governor of the garbage collector")
	if app.Parse(f, os.Args[1:], os.Getenv) != nil {
		os.Exit(2) // It has said why.
	}
	app.Main(name, &o, server.Debug(nil), func(ctx context.Context) (app.Server, error) {
		return open(ctx, o.DSN, o.PoolConns, *boosted, build)
	})
}

// peer is a handler, and what it holds.
type peer struct {
	http.Handler
	*Host
}

func open(
	ctx context.Context, dsn string, conns int, boosted bool, build func(*Host) (http.Handler, error),
) (app.Server, error) {
	h := &Host{Boosted: boosted}
	connect := h.plain
	if boosted {
		connect = h.blocks
	}
	if err := connect(ctx, dsn, conns); err != nil {
		return nil, err
	}
	handler, err := build(h)
	if err != nil {
		h.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", graph.WithLoaders(h.Store, handler))
	return &peer{mux, h}, nil
}

// plain is pgx's own pool.
func (h *Host) plain(ctx context.Context, dsn string, conns int) error {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return err
	}
	config.MaxConns = int32(conns)
	p, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	h.Closers = append(h.Closers, p.Close)
	h.Store = store.New(p)
	return nil
}

// blocks are the pool, whose Reader reads, and a governed garbage collector that takes no
// more memory than an ungoverned one. The data loaders stay: those of pool/dataloader fetch
// when no more keys arrive for 10 us, and the executors of these hosts take longer from one
// resolver to the next, so that batches would be cut and Postgres would have more to do.
func (h *Host) blocks(ctx context.Context, dsn string, conns int) error {
	config, err := pool.ParseConfig(dsn)
	if err != nil {
		return err
	}
	config.MaxConns = int32(conns)
	p, err := pool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	h.Closers = append(h.Closers, p.Close, arena.TuneGC(arena.GCOptions{SameMemory: true}))
	h.Store = store.New(p)
	h.Store.Reads = p.Reader()
	return nil
}
