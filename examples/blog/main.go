// Command blog serves a blog's GraphQL API: the baseline that gqlboost's blocks
// are measured against, and with -boosted the same server with all of them. Without
// -dsn it starts a private Postgres and fills it. It serves on http://127.0.0.1:8080/.
package main

//go:generate go run github.com/gqlboost/gqlboost/contrib/gqlgen/compile/cmd/gqlgen-compile
//go:generate go run github.com/gqlboost/gqlboost/contrib/gqlgen/compile/cmd/gqlgen-compile -config gqlgen.batch.yml

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync/atomic"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/examples/app"
	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/examples/blog/server"
	"github.com/gqlboost/gqlboost/examples/blog/spans"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/pool/advisor"
)

func main() {
	metrics := new(app.Metrics)
	o := app.Options{Metrics: metrics}
	f := flag.NewFlagSet("blog", flag.ExitOnError)
	o.AddFlags(f)
	measure := f.Bool("spans", false, "measure where requests spend their time, and contention; for profiling")
	gcBudget := f.Int64("gc-budget", 0,
		"memory in MiB that arena.TuneGC may use, which it switches on; 0 is TuneGC's default with -gc")
	advise := f.Bool("advise", false,
		"record statements, and serve what to fix in the database at /debug/advice of -debug-addr")
	var shared redisOptions
	f.StringVar(&shared.addresses, "redis", "",
		"address of Redis, or those of all nodes of a cluster with commas, where instances share what -redis-for says")
	f.StringVar(&shared.parts, "redis-for", "uses,bus", "uses: a new instance parses and validates what the others use "+
		"before its first request, with -plancache; bus: what changes ends the results of all instances, with -results")
	f.DurationVar(&shared.every, "redis-every", 0,
		"how often instances tell each other what they use; 0 is plancache's default")
	chosen := blocks.AddFlags(f)
	if app.Parse(f, os.Args[1:], os.Getenv) != nil {
		os.Exit(2) // It has said why.
	}
	var recorder *spans.Recorder
	if *measure {
		recorder = new(spans.Recorder)
		server.ProfileContention()
	}
	debug := http.NewServeMux()
	debug.Handle("/", server.Debug(recorder))
	debug.Handle("GET /debug/metrics", metrics)
	var statements *advisor.Recorder
	if *advise {
		statements = advisor.NewRecorder(advisor.RecorderOptions{Caller: gqlgen.FieldPath})
		debug.Handle("GET /debug/advice", blocks.Advice(func() string { return o.DSN }, statements))
	}
	var link atomic.Pointer[bus.Link]
	debug.HandleFunc("GET /debug/bus", func(w http.ResponseWriter, _ *http.Request) {
		if l := link.Load(); l != nil {
			fmt.Fprintf(w, "%+v\n", l.Health())
		}
	})
	app.Main("blog", &o, debug, func(ctx context.Context) (app.Server, error) {
		b := chosen()
		b.Advisor = statements
		others, err := openFleet(shared)
		if err != nil {
			return nil, err
		}
		b.Fleet, b.Bus = others.uses, others.link
		link.Store(others.link)
		s, err := b.Open(ctx, o.DSN, o.PoolConns, *gcBudget<<20, recorder)
		if err != nil {
			others.end()
			return nil, err
		}
		s.Closers = slices.Insert(s.Closers, 0, others.end) // It is closed last.
		metrics.Add(s.Sources...)
		return s, nil
	})
}
