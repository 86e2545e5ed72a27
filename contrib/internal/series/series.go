// Package series has what adapters of metrics share: it tells metrics of many sources apart,
// and bounds how many there are.
package series

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gqlboost/gqlboost"
)

// Limit is how many metrics of one name there are at most, as in OpenTelemetry's SDK.
const Limit = 2000

// Set is the metrics of some sources. It is safe for concurrent use.
type Set struct {
	sources []gqlboost.Source
	rest    string // stands for each value of what is beyond Limit, or ""

	mu    sync.Mutex
	known map[string]map[string]bool // the identities of each name, up to Limit
}

// New returns the metrics of sources. An adapter that gives those beyond Limit one value for each attribute
// names it as rest: metrics with these values are theirs. Otherwise rest is "".
func New(sources []gqlboost.Source, rest string) *Set {
	return &Set{sources: slices.Clone(sources), rest: rest, known: map[string]map[string]bool{}}
}

// Check returns the first metric of each name. It is an error if two metrics cannot be told
// apart, as those of two caches without names, or if those of one name differ in their kind
// or in the keys of their attributes.
func (s *Set) Check() ([]gqlboost.Metric, error) {
	var list []gqlboost.Metric
	first := map[string]gqlboost.Metric{}
	from := map[string]int{} // the source of an identity
	for i, source := range s.sources {
		if source == nil {
			return nil, fmt.Errorf("source %d is nil", i)
		}
		for m := range source.Metrics() {
			id := identity(m)
			if other, ok := from[m.Name+id]; ok {
				return nil, fmt.Errorf("sources %d (%T) and %d (%T) have one metric: %s%s: tell them apart by gqlboost.WithAttrs",
					other, s.sources[other], i, source, m.Name, id)
			}
			from[m.Name+id] = i
			switch known, ok := first[m.Name]; {
			case !ok:
				first[m.Name] = m
				list = append(list, m)
			case known.Kind != m.Kind || known.Unit != m.Unit || !slices.Equal(keys(known), keys(m)):
				return nil, fmt.Errorf("two metrics are called %s: a %v in %q of %q, and a %v in %q of %q",
					m.Name, known.Kind, known.Unit, keys(known), m.Kind, m.Unit, keys(m))
			}
		}
	}
	return list, nil
}

// Collect returns the metrics now, those of one name after each other. Beyond Limit, the
// metrics of a name that have come last are one, and so are those that cannot be told
// apart: their sum. overflow reports whether a metric is one of the former, whose
// attributes do not count.
func (s *Set) Collect(yield func(m gqlboost.Metric, overflow bool)) {
	var names []string
	byName := map[string]*family{}
	for _, source := range s.sources {
		if source == nil {
			continue // Check has refused it; a registry may collect all the same.
		}
		for m := range source.Metrics() {
			f := byName[m.Name]
			if f == nil {
				f = &family{at: map[string]int{}}
				byName[m.Name] = f
				names = append(names, m.Name)
			}
			if id := identity(m); !s.isRest(m) && s.knows(m.Name, id) {
				f.add(id, m)
			} else {
				f.add(overflowID, m)
			}
		}
	}
	for _, name := range names {
		f := byName[name]
		for i, m := range f.metrics {
			at, ok := f.at[overflowID]
			yield(m, ok && at == i)
		}
	}
}

// isRest reports whether a metric looks as those beyond Limit do together.
func (s *Set) isRest(m gqlboost.Metric) bool {
	return s.rest != "" && len(m.Attrs) > 0 &&
		!slices.ContainsFunc(m.Attrs, func(a gqlboost.Attr) bool { return a.Value != s.rest })
}

// knows reports whether a metric is one of the first of its name.
func (s *Set) knows(name, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.known[name]
	if ids == nil {
		ids = map[string]bool{}
		s.known[name] = ids
	}
	if !ids[id] && len(ids) < Limit-1 {
		ids[id] = true
	}
	return ids[id]
}

// family is the metrics of a name.
type family struct {
	metrics []gqlboost.Metric
	at      map[string]int // by identity
}

// overflowID is no identity.
const overflowID = ""

func (f *family) add(id string, m gqlboost.Metric) {
	i, ok := f.at[id]
	if !ok {
		f.at[id] = len(f.metrics)
		f.metrics = append(f.metrics, m)
		return
	}
	sum := &f.metrics[i]
	if !slices.EqualFunc(sum.Buckets, m.Buckets, func(a, b gqlboost.Bucket) bool { return a.UpperBound == b.UpperBound }) {
		return // Histograms with other bounds have no sum.
	}
	sum.Value += m.Value
	sum.Buckets = slices.Clone(sum.Buckets)
	for j := range sum.Buckets {
		sum.Buckets[j].Count += m.Buckets[j].Count
	}
}

// Clean returns a value of an attribute as receivers get it: valid UTF-8.
func Clean(value string) string { return strings.ToValidUTF8(value, "\ufffd") }

// identity is a text of the attributes, whatever their order.
func identity(m gqlboost.Metric) string {
	list := slices.Clone(m.Attrs)
	slices.SortFunc(list, func(a, b gqlboost.Attr) int { return strings.Compare(a.Key, b.Key) })
	var b strings.Builder
	b.WriteByte('{')
	for i, a := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s=%q", a.Key, Clean(a.Value))
	}
	b.WriteByte('}')
	return b.String()
}

func keys(m gqlboost.Metric) []string {
	list := make([]string, len(m.Attrs))
	for i, a := range m.Attrs {
		list[i] = a.Key
	}
	slices.Sort(list)
	return list
}
