package series

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"

	"github.com/gqlboost/gqlboost"
)

type source []gqlboost.Metric

func (s source) Metrics() iter.Seq[gqlboost.Metric] { return slices.Values(s) }

// Metrics that cannot be told apart are added up, if they can be.
func TestSums(t *testing.T) {
	histogram := func(value float64, bound float64, counts ...uint64) gqlboost.Metric {
		return gqlboost.Metric{Name: "h", Kind: gqlboost.Histogram, Value: value, Buckets: []gqlboost.Bucket{
			{UpperBound: bound, Count: counts[0]}, {UpperBound: math.Inf(1), Count: counts[1]},
		}}
	}
	first := histogram(1.5, 1, 1, 0)
	s := New([]gqlboost.Source{
		source{first, {Name: "g", Kind: gqlboost.Gauge, Value: 1}},
		source{histogram(7, 1, 2, 3), histogram(100, 2, 1, 1), {Name: "g", Kind: gqlboost.Gauge, Value: 2}},
	}, "")
	if _, err := s.Check(); err == nil {
		t.Error("no error for metrics that cannot be told apart")
	}
	var got []string
	s.Collect(func(m gqlboost.Metric, overflow bool) {
		got = append(got, fmt.Sprint(m.Name, m.Value, m.Buckets, overflow))
	})
	if want := []string{"h8.5 [{1 3} {+Inf 3}] false", "g3 [] false"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if first.Buckets[0].Count != 1 {
		t.Error("a source's buckets have changed")
	}
}

// A source that is nil is refused, also where a registry collects all the same.
func TestNilSource(t *testing.T) {
	s := New([]gqlboost.Source{source{{Name: "a"}}, nil}, "")
	if _, err := s.Check(); err == nil {
		t.Error("no error for a nil source")
	}
	n := 0
	s.Collect(func(gqlboost.Metric, bool) { n++ })
	if n != 1 {
		t.Errorf("%d metrics", n)
	}
}

// Attributes are the same in every order.
func TestIdentity(t *testing.T) {
	a, b := gqlboost.Attr{Key: "a", Value: "1"}, gqlboost.Attr{Key: "b", Value: "2,a=\"1\""}
	if x, y := identity(gqlboost.Metric{Attrs: []gqlboost.Attr{a, b}}), identity(gqlboost.Metric{Attrs: []gqlboost.Attr{b, a}}); x != y || x == overflowID {
		t.Errorf("%s and %s", x, y)
	}
	if identity(gqlboost.Metric{}) == overflowID {
		t.Error("metrics without attributes are overflow")
	}
}
