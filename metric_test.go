package gqlboost_test

import (
	"fmt"
	"iter"
	"slices"
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

// Two blocks of one kind in one registry.
func ExampleWithAttrs() {
	var english, french greeter
	english.greetings.Add(3)
	for _, source := range []gqlboost.Source{
		gqlboost.WithAttrs(&english, gqlboost.Attr{Key: "language", Value: "en"}),
		gqlboost.WithAttrs(&french, gqlboost.Attr{Key: "language", Value: "fr"}),
	} {
		for m := range source.Metrics() {
			fmt.Println(m.Name, m.Attrs, m.Value)
		}
	}
	// Output:
	// gqlboost.example.greetings [{language en}] 3
	// gqlboost.example.greetings [{language fr}] 0
}

func TestWithAttrs(t *testing.T) {
	own := []gqlboost.Attr{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}
	s := gqlboost.WithAttrs(metrics{{Name: "x", Attrs: own}, {Name: "y"}}, gqlboost.Attr{Key: "b", Value: "3"})
	var got []gqlboost.Metric
	for m := range s.Metrics() {
		got = append(got, m)
	}
	want := "[{a 1} {b 3}] [{b 3}]"
	if len(got) != 2 || fmt.Sprint(got[0].Attrs, got[1].Attrs) != want || own[1].Value != "2" {
		t.Errorf("%+v, want attributes %s", got, want)
	}
	for range s.Metrics() {
		break
	}
}

type metrics []gqlboost.Metric

func (m metrics) Metrics() iter.Seq[gqlboost.Metric] { return slices.Values(m) }
