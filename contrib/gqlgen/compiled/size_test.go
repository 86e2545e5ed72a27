package compiled_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// emptyRoot has a zoo without animals.
type emptyRoot struct{ *zoo.Resolver }

func (r emptyRoot) Query() zoo.QueryResolver { return emptyQuery{r.Resolver.Query()} }

type emptyQuery struct{ zoo.QueryResolver }

func (emptyQuery) Animal(context.Context, int) (zoo.Animal, error) { return nil, nil }

// TestSizeOfPlans has short queries that select more places than there is memory for. gqlgen
// looks only at those that there are objects for.
func TestSizeOfPlans(t *testing.T) {
	nested := func(level string) string {
		const depth = 60
		return `{ animal(id: 1) ` + strings.Repeat("{ "+level+" friend ", depth) + "{ id }" + strings.Repeat(" }", depth+1)
	}
	// Each fragment spreads the next ones of its kind.
	fragments := func(kind string, n int, fields string) (all string) {
		for i := range n {
			next := strings.ReplaceAll(fields, "...NEXT", fmt.Sprint("...", kind, i+1))
			all += fmt.Sprintf(" fragment %s%d on Animal { %s }", kind, i, next)
		}
		return all + fmt.Sprintf(" fragment %s%d on Animal { id }", kind, n)
	}
	for name, c := range map[string]struct{ query, refused string }{
		"interface": {nested(""), ""},
		"types":     {nested("... on Dog { barks } ... on Cat { lives }"), ""},
		"aliases":   {`{ animal(id: 1) { ...F0 } }` + fragments("F", 30, "a: friend { ...NEXT } b: friend { ...NEXT }"), ""},
		"directive": {`{ box(id: 1) { loudBox { animal { ...F0 } } } }` +
			fragments("F", 30, "...NEXT a: friend { ...NEXT }"), ""},
		// Friends of dogs and cats are selected by other fragments at each level.
		"merged": {`{ animal(id: 1) { ...F0 } }` + fragments("F", 20, "friend { ...NEXT } ... on Dog { friend { ...G0 } }") +
			fragments("G", 20, "friend { ...NEXT }"), "large plan"},
	} {
		t.Run(name, func(t *testing.T) {
			p, want := newPairOf(emptyRoot{&zoo.Resolver{}}), map[string]uint64{}
			if c.refused != "" {
				want[c.refused] = 1
			}
			p.check(t, &zoo.Env{Seed: 1}, c.query, nil)
			if got := p.fallbacks(); !maps.Equal(got, want) {
				t.Errorf("delegated %v, want %v", got, want)
			}
		})
	}
	// Places that are shared have groups of their own.
	for seed := range uint64(20) {
		newPair().check(t, &zoo.Env{Seed: seed, Faults: seed%2 > 0, Look: true}, nested("id"), nil)
	}
}

// TestPlansAreBounded has a document of two kilobytes, whose plan is nearly as large as plans may be, with
// all values of six conditions. A cache of documents knows nothing of the memory of plans.
func TestPlansAreBounded(t *testing.T) {
	const names = "abcdef"
	var query strings.Builder
	query.WriteString("query(")
	for _, name := range names {
		fmt.Fprintf(&query, "$%c: Boolean! ", name)
	}
	query.WriteString(") {")
	for _, name := range names {
		fmt.Fprintf(&query, " %c: __typename @include(if: $%c)", name, name)
	}
	query.WriteString(" animal(id: 1) {")
	for i := range 45 {
		fmt.Fprintf(&query, " x%d: friend { ...F }", i)
	}
	query.WriteString(" } } fragment F on Animal {")
	for i := range 100 {
		fmt.Fprintf(&query, " y%d: id", i)
	}
	query.WriteString(" }")
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	p := newPairOf(emptyRoot{&zoo.Resolver{}})
	before := heap()
	for i := range 1 << len(names) {
		variables := map[string]any{}
		for k, name := range names {
			variables[string(name)] = i>>k&1 > 0
		}
		got := execute(p.compiled, &zoo.Env{Seed: 1}, query.String(), variables)
		if !strings.HasSuffix(got.data, `"animal":null}`) || len(got.errors) > 0 {
			t.Fatal(got)
		}
	}
	if grown := heap() - before; grown > 30<<20 {
		t.Errorf("%d MiB are kept of a document of %d bytes", grown>>20, query.Len())
	}
	if f := p.fallbacks(); len(f) > 0 { // Nothing would be kept of it.
		t.Errorf("delegated %v", f)
	}
	for m := range p.schema.(gqlboost.Source).Metrics() {
		if m.Name == "gqlboost.compiled.unkept" && m.Value != 1<<len(names)-1 {
			t.Errorf("%v plans were not kept, want all but one", m.Value)
		}
	}
}
