// Command blog serves a blog's GraphQL API: the baseline that gqlboost's blocks
// are measured against, and with -boosted the same server with all of them. Without
// -dsn it starts a private Postgres and fills it. It serves on http://127.0.0.1:8080/.
package main

//go:generate go tool gqlgen generate

import (
	"context"
	"flag"
	"os"

	"github.com/gqlboost/gqlboost/examples/app"
	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/examples/blog/server"
	"github.com/gqlboost/gqlboost/examples/blog/spans"
)

func main() {
	var o app.Options
	f := flag.NewFlagSet("blog", flag.ExitOnError)
	o.AddFlags(f)
	measure := f.Bool("spans", false, "measure where requests spend their time, and contention; for profiling")
	gcBudget := f.Int64("gc-budget", 0, "memory in MiB that arena.TuneGC may use, which it switches on; 0 is TuneGC's default with -gc")
	chosen := blocks.AddFlags(f)
	if app.Parse(f, os.Args[1:], os.Getenv) != nil {
		os.Exit(2) // It has said why.
	}
	var recorder *spans.Recorder
	if *measure {
		recorder = new(spans.Recorder)
		server.ProfileContention()
	}
	app.Main("blog", &o, server.Debug(recorder), func(ctx context.Context) (app.Server, error) {
		return chosen().Open(ctx, o.DSN, o.PoolConns, *gcBudget<<20, recorder)
	})
}
