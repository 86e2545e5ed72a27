package compiled_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

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
