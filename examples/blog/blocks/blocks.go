// Package blocks is the blog's server with gqlboost's blocks in it, those that are wanted:
// the same schema, resolvers and answers.
package blocks

import (
	"context"
	"flag"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/examples/app"
	"github.com/gqlboost/gqlboost/examples/blog/batch"
	"github.com/gqlboost/gqlboost/examples/blog/graph"
	"github.com/gqlboost/gqlboost/examples/blog/server"
	"github.com/gqlboost/gqlboost/examples/blog/spans"
	"github.com/gqlboost/gqlboost/examples/blog/store"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/advisor"
)

// Blocks says which blocks are used.
type Blocks struct {
	SIMDJSON   bool // requests are decoded by simdjson
	PlanCache  bool // queries and persisted texts are cached by plancache
	Pool       bool // connections are pool's
	Reader     bool // queries share connections; mutations have their own
	Dataloader bool // rows are fetched by pool/dataloader
	Merge      bool // and for several requests at once, without Arena
	Stream     bool // responses are written by stream
	Arena      bool // rows of a request lie together
	GC         bool // the garbage collector is governed
	SameMemory bool // the governor takes no more memory than GOGC=100 does
	Compiled   bool // operations are compiled once and executed breadth-first
	Batch      bool // resolvers take all objects of a list
	Tuned      bool // what a team can do with gqlgen alone: batch resolvers and a lazier garbage collector

	// SchemaFile has the schema to serve instead of the blog's: a version of it whose fields the
	// blog's resolvers know.
	SchemaFile string
	// Manifest is a file with queries, see plancache.Manifest, that are parsed and validated
	// before the first request.
	Manifest string

	// Fleet is where the instances of a fleet add up what they use, with PlanCache: Warm takes what
	// is used most. Without a Ranking there is no fleet.
	Fleet plancache.Uses

	// Results is how long responses that show the feed are kept at most, 0 for not at all. Bus ends
	// them in all instances when something that they show changes; nil is for one instance.
	Results time.Duration
	Bus     *bus.Link

	Advisor *advisor.Recorder // sees the statements of requests, if it is not nil
}

// Flags are the names of the blocks, in the order of a request.
var Flags = []struct {
	Name, Usage string
	Of          func(*Blocks) *bool
	// Apart is not part of -boosted. The arena saves what the governor has saved
	// already: alone it brings a tenth, together with it nothing, for twice the memory.
	// The compiled executor is a contender of its own.
	Apart bool
}{
	{"simdjson", "decode requests with simdjson", func(b *Blocks) *bool { return &b.SIMDJSON }, false},
	{"plancache", "cache queries with plancache", func(b *Blocks) *bool { return &b.PlanCache }, false},
	{"pool", "take connections from pool", func(b *Blocks) *bool { return &b.Pool }, false},
	{"reader", "read through pool's Reader", func(b *Blocks) *bool { return &b.Reader }, false},
	{"dataloader", "collect keys with pool/dataloader", func(b *Blocks) *bool { return &b.Dataloader }, false},
	{"merge", "fetch for several requests at once, with -dataloader and without -arena",
		func(b *Blocks) *bool { return &b.Merge }, false},
	{"stream", "write responses with stream", func(b *Blocks) *bool { return &b.Stream }, false},
	{"arena", "allocate rows in arenas", func(b *Blocks) *bool { return &b.Arena }, true},
	{"gc", "let arena.TuneGC govern the garbage collector", func(b *Blocks) *bool { return &b.GC }, false},
	{"compiled", "execute operations from plans instead of gqlgen's executor",
		func(b *Blocks) *bool { return &b.Compiled }, true},
	{"batch", "batch resolvers", func(b *Blocks) *bool { return &b.Batch }, true},
	{"tuned", "what a team can do with gqlgen alone: batch resolvers, and GOGC=400 with a GOMEMLIMIT of 1 GiB",
		func(b *Blocks) *bool { return &b.Tuned }, true},
}

// AddFlags adds a flag for each block, and -boosted for all of them. What it returns is
// valid when the flags have been parsed.
func AddFlags(f *flag.FlagSet) func() Blocks {
	boosted := f.Bool("boosted", false,
		"use all of gqlboost's blocks but -arena, -compiled, -batch and -tuned, and but those whose own flag says otherwise")
	var b Blocks
	f.BoolVar(&b.SameMemory, "same-memory", false,
		"let arena.TuneGC take no more memory than GOGC=100 does, where it governs")
	f.StringVar(&b.SchemaFile, "schema", "", "file with the version of the schema to serve; the blog's own if empty")
	f.DurationVar(&b.Results, "results", 0, "how long to keep responses that show the feed, unless it changes; "+
		"0 for not at all. With -redis, a change ends them in all instances")
	f.StringVar(&b.Manifest, "manifest", "", "file with queries to parse and validate before the first request, "+
		"an object of JSON in each line, with -plancache")
	for _, each := range Flags {
		f.BoolVar(each.Of(&b), each.Name, false, each.Usage)
	}
	return func() Blocks {
		if *boosted {
			set := map[string]bool{}
			f.Visit(func(each *flag.Flag) { set[each.Name] = true })
			for _, each := range Flags {
				if !set[each.Name] && !each.Apart {
					*each.Of(&b) = true
				}
			}
		}
		return b
	}
}

// Server is a handler, and what it holds.
type Server struct {
	http.Handler
	app.Closers
	// Schema executes the operations.
	Schema graphql.ExecutableSchema
	// Sources are the blocks that count what they do.
	Sources []gqlboost.Source

	replicas bool // reads may come from one
	queries  graphql.Cache[*ast.QueryDocument]
	manifest string
	fleet    func(context.Context) error // warms from the fleet; nil without one
	heard    func(context.Context) error // waits for the bus; nil without one
}

// Open returns the server. The recorder may be nil.
func (b Blocks) Open(
	ctx context.Context, dsn string, conns int, gcBudget int64, recorder *spans.Recorder,
) (_ *Server, err error) {
	s := new(Server)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if b.Tuned {
		b.Batch = true
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(1 << 30)
	}
	parts := server.Parts{Recorder: recorder}
	if parts.Store, err = b.store(ctx, s, dsn, conns, recorder); err != nil {
		return nil, err
	}
	// The advisor wants to know which request asks.
	parts.Store.Dataloader, parts.Store.Merge = b.Dataloader, b.Merge && b.Advisor == nil
	if b.PlanCache {
		plans, err := plancache.New(plancache.Options[*ast.QueryDocument]{})
		if err != nil {
			return nil, err
		}
		s.Closers = append(s.Closers, func() { plans.Close() })
		persisted, err := plancache.NewPersisted(16 << 20)
		if err != nil {
			return nil, err
		}
		s.Closers = append(s.Closers, func() { persisted.Close() })
		s.Sources = append(s.Sources, plans, persisted)
		if err := b.share(s, plans, persisted); err != nil {
			return nil, err
		}
		parts.Persisted = persisted
		parts.QueryCache = func(schema graphql.ExecutableSchema) graphql.Cache[*ast.QueryDocument] {
			s.queries = gqlgen.QueryCache(plans, schema)
			return s.queries
		}
	}
	if b.SIMDJSON || b.Stream {
		o := gqlgen.Options{MaxBytes: server.MaxBody, Strict: true, StandardRequests: !b.SIMDJSON,
			StandardResponses: !b.Stream}
		parts.Transports = []graphql.Transport{gqlgen.POST(o), gqlgen.GET(o)}
	}
	if b.Arena {
		parts.Around = gqlgen.WithArenas
		parts.Store.Arena = gqlgen.Arena
	}
	if s.replicas {
		parts.Around = around(readYourWrites, parts.Around)
	}
	if b.GC || gcBudget > 0 {
		s.Closers = append(s.Closers, arena.TuneGC(arena.GCOptions{Budget: gcBudget, SameMemory: b.SameMemory}))
	}
	version, err := readSchema(b.SchemaFile)
	if err != nil {
		return nil, err
	}
	parts.Schema = func(r *graph.Resolver) graphql.ExecutableSchema {
		s.Schema = b.schema(r, version)
		return s.Schema
	}
	if b.Advisor != nil {
		parts.Extensions = append(parts.Extensions, gqlgen.Recording{Recorder: b.Advisor})
	}
	cached, err := b.cacheFeed(s, parts.Store)
	if err != nil {
		return nil, err
	}
	if cached != nil {
		parts.Extensions = append(parts.Extensions, cached)
	}
	s.Handler, s.manifest = server.Assemble(parts), b.Manifest
	return s, nil
}

// schema returns the executor of the operations. The version is nil for the blog's own.
func (b Blocks) schema(r *graph.Resolver, version *ast.Schema) graphql.ExecutableSchema {
	single := graph.Config{Resolvers: r, Schema: version}
	batched := batch.Config{Resolvers: &batch.Resolver{Resolver: r}, Schema: version}
	switch {
	case b.Compiled && b.Batch:
		return batch.NewCompiledSchema(batched)
	case b.Compiled:
		return graph.NewCompiledSchema(single)
	case b.Batch:
		return batch.NewExecutableSchema(batched)
	}
	return graph.NewExecutableSchema(single)
}

func (b Blocks) store(
	ctx context.Context, s *Server, dsn string, conns int, recorder *spans.Recorder,
) (*store.Store, error) {
	if !b.Pool && !b.Reader {
		config, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			return nil, err
		}
		config.MaxConns = int32(conns)
		config.ConnConfig.Tracer = b.tracer(recorder)
		p, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			return nil, err
		}
		s.Closers = append(s.Closers, p.Close)
		return store.New(p), nil
	}
	config, err := pool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(conns)
	config.ConnConfig.Tracer = b.tracer(recorder)
	p, err := pool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	s.Closers = append(s.Closers, p.Close)
	s.Sources = append(s.Sources, p)
	out := store.New(p)
	if b.Reader {
		out.Reads = p.Reader()
	}
	if s.replicas = b.Reader && len(config.Reader.Replicas) > 0; s.replicas {
		out.Committed = func(ctx context.Context, _ ...string) { p.Token(ctx) }
	}
	return out, nil
}

// around returns outer with inner in it, which may be nil.
func around(outer, inner func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	if inner == nil {
		return outer
	}
	return func(next http.Handler) http.Handler { return outer(inner(next)) }
}

// tracer returns that of those who want to see statements, nil if nobody does.
func (b Blocks) tracer(recorder *spans.Recorder) pgx.QueryTracer {
	switch {
	case recorder == nil && b.Advisor == nil:
		return nil
	case b.Advisor == nil:
		return recorder.Tracer()
	case recorder == nil:
		return b.Advisor
	}
	return multitracer.New(recorder.Tracer(), b.Advisor)
}
