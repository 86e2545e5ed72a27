package gqlboost_test

import (
	"fmt"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/gqlboost/gqlboost"
)

// greeter shows what a block does to be a Source.
type greeter struct{ greetings atomic.Uint64 }

func (g *greeter) Metrics() iter.Seq[gqlboost.Metric] {
	return func(yield func(gqlboost.Metric) bool) {
		yield(gqlboost.Metric{
			Name: "gqlboost.example.greetings", Unit: "{greeting}", Kind: gqlboost.Counter,
			Value: float64(g.greetings.Load()),
		})
	}
}

func ExampleSource() {
	var g greeter
	g.greetings.Add(3)
	var source gqlboost.Source = &g
	for m := range source.Metrics() {
		fmt.Println(m.Name, m.Kind, m.Value, m.Unit)
	}
	// Output: gqlboost.example.greetings counter 3 {greeting}
}

func TestKindString(t *testing.T) {
	for kind, want := range map[gqlboost.Kind]string{
		gqlboost.Counter: "counter", gqlboost.Gauge: "gauge", gqlboost.Histogram: "histogram", 77: "Kind(77)",
	} {
		if got := kind.String(); got != want {
			t.Errorf("Kind(%d) = %q, want %q", kind, got, want)
		}
	}
}
