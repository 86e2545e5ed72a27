// Command direct serves the blog's GraphQL API without a framework, as the limit of what
// the blocks can do: a query becomes one SQL statement for each of its fields, whose rows
// go to the client as Postgres sends them.
//
//	simdjson   decodes the request, lazily
//	plancache  finds the plan of its text: statement, arguments, shape of the result
//	pool       sends the statement together with those of others
//	stream     writes the response from Postgres's binary format
//	arena      lends the memory of bodies, and governs the garbage collector
//
// What it has no plan for (introspection, GET, batches, invalid requests and pages that
// are too large) it leaves to the blog's server, which is behind it: so a team can put
// such a handler before the one that it has.
package main

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"os"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/examples/app"
	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/examples/blog/schema"
	"github.com/gqlboost/gqlboost/examples/blog/server"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/simdjson"
)

func main() {
	var o app.Options
	f := flag.NewFlagSet("direct", flag.ExitOnError)
	o.AddFlags(f)
	if app.Parse(f, os.Args[1:], os.Getenv) != nil {
		os.Exit(2) // It has said why.
	}
	app.Main("direct", &o, server.Debug(nil),
		func(ctx context.Context) (app.Server, error) { return openDirect(ctx, o.DSN, o.PoolConns) })
}

// service is the handler with what it holds.
type service struct {
	http.Handler
	handler *handler
	app.Closers
}

func openDirect(ctx context.Context, dsn string, conns int) (_ *service, err error) {
	s := new(service)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	config, err := pool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(conns)
	p, err := pool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	s.Closers = append(s.Closers, p.Close)
	behind, err := blocks.Blocks{PlanCache: true, Stream: true, SIMDJSON: true}.Open(ctx, dsn, 4, 0, nil)
	if err != nil {
		return nil, err
	}
	s.Closers = append(s.Closers, behind.Close)
	parsed, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: schema.SDL})
	if err != nil {
		return nil, err
	}
	h := &handler{
		schema: parsed, pool: p, reader: p.Reader(), next: behind,
		parser: simdjson.NewParser(simdjson.Options{AliasInput: true}), // A request ends before its body is given back.
	}
	var errs [3]error
	h.plans, errs[0] = plancache.New(plancache.Options[*query]{Schema: plancache.HashSchema(schema.SDL)})
	h.variants, errs[1] = plancache.New(plancache.Options[*plan]{Schema: plancache.HashSchema(schema.SDL)})
	h.persisted, errs[2] = plancache.NewPersisted(16 << 20)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	s.Closers = append(s.Closers, func() { h.plans.Close() }, func() { h.variants.Close() },
		func() { h.persisted.Close() }, arena.TuneGC(arena.GCOptions{}))
	mux := http.NewServeMux()
	mux.Handle("/graphql", h)
	mux.Handle("/", behind)
	s.Handler, s.handler = mux, h
	return s, nil
}
