package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

const peersModule = "benchmarks/peers"

// entry is a server as it is run: a binary of a module, or a folder of Node.js.
type entry struct {
	name, module, server string
	args                 []string
	node                 bool
}

var compiled = []string{"-boosted", "-compiled", "-same-memory"}

// entries are the servers. The first is what the others are compared with, and whose
// answers are right.
var entries = []entry{
	{name: "gqlgen", module: "examples", server: "blog"},
	{name: "gqlgen, tuned", module: "examples", server: "blog", args: []string{"-tuned"}},
	{name: "gqlgen, compiled", module: "examples", server: "blog", args: compiled},
	{name: "gqlgen, batched", module: "examples", server: "blog", args: append(compiled, "-batch")},
	{name: "direct", module: "examples", server: "direct"},
	{name: "graph-gophers", module: peersModule, server: "graphgophers"},
	{name: "graph-gophers, boosted", module: peersModule, server: "graphgophers", args: []string{"-boosted"}},
	{name: "graphql-go", module: peersModule, server: "graphqlgo"},
	{name: "graphql-go, boosted", module: peersModule, server: "graphqlgo", args: []string{"-boosted"}},
	{name: "PostGraphile", module: peersModule, server: "postgraphile", node: true},
	{name: "Yoga, Drizzle", module: peersModule, server: "yoga", node: true},
}

// field is the contenders that are up, and those that are not.
type field struct {
	testbed    *load.Testbed
	scale      float64
	compared   int
	started    []*load.Server
	contenders []load.Contender
	skipped    []load.Skipped
	versions   []load.Version
}

// open starts the servers and pgbench. Only without the first it fails.
func (f *field) open(ctx context.Context) error {
	for i, e := range entries {
		err := f.enter(ctx, e)
		if ctx.Err() != nil || err != nil && i == 0 {
			return errors.Join(err, ctx.Err())
		}
		f.skip(e.name, err)
	}
	totals, err := f.started[0].Totals(ctx)
	if err != nil {
		return err
	}
	bench, err := f.testbed.NewPGBench(totals)
	f.skip("pgbench", err)
	if err == nil {
		f.contenders = append(f.contenders, bench)
	}
	return nil
}

// skip notes a contender that is not up.
func (f *field) skip(name string, err error) {
	if err != nil {
		say("%s is skipped: %v", name, err)
		f.skipped = append(f.skipped, load.Skipped{Name: name, Reason: err.Error()})
	}
}

// enter starts a server and compares its answers with those of the first one.
func (f *field) enter(ctx context.Context, e entry) error {
	say("Starting %s ...", e.name)
	s, err := f.launch(ctx, e)
	if err != nil {
		return err
	}
	if len(f.started) > 0 {
		seed := uint64(len(f.started))
		if err := load.Agree(ctx, f.started[0].Target, s.Target, load.BlogMix(), f.compared, seed); err != nil {
			return errors.Join(err, s.Stop())
		}
	}
	f.started = append(f.started, s)
	f.contenders = append(f.contenders, s.Target)
	return nil
}

func (f *field) launch(ctx context.Context, e entry) (*load.Server, error) {
	if e.node {
		folder := e.module + "/" + e.server
		s, err := f.testbed.LaunchNode(ctx, folder, e.name)
		if err == nil {
			f.addVersions(load.NodePackages(folder))
		}
		return s, err
	}
	if err := f.testbed.Build(ctx, e.module, e.server); err != nil {
		return nil, err
	}
	f.addVersions(f.testbed.BuiltWith(e.server, libraries...))
	return f.testbed.Launch(ctx, e.server, e.name, append([]string{fmt.Sprintf("-scale=%v", f.scale)}, e.args...)...)
}

// libraries are the modules whose versions are reported.
var libraries = []string{
	"github.com/99designs/gqlgen", "github.com/graph-gophers/graphql-go", "github.com/graphql-go/graphql",
}

func (f *field) addVersions(list []load.Version) {
	for _, v := range list {
		if !slices.Contains(f.versions, v) {
			f.versions = append(f.versions, v)
		}
	}
}

func (f *field) stop() error { return load.StopAll(f.started) }
