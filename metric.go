package gqlboost

import (
	"iter"
	"slices"
	"strconv"
)

// Kind says how the Value of a [Metric] behaves over time.
type Kind uint8

const (
	// Counter only grows while the process lives.
	Counter Kind = iota
	// Gauge goes up and down.
	Gauge
	// Histogram counts observations in Buckets; Value is their sum.
	Histogram
)

// String returns "counter", "gauge" or "histogram", and Kind(n) for any other
// number.
func (k Kind) String() string {
	switch k {
	case Counter:
		return "counter"
	case Gauge:
		return "gauge"
	case Histogram:
		return "histogram"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Attr is one dimension of a [Metric], such as db.client.connection.state=idle.
type Attr struct{ Key, Value string }

// Bucket is one cell of a [Histogram]: how many observations were at most
// UpperBound and above the bound of the bucket before it. Counts are not
// cumulative. The last bucket's bound is +Inf, so that the counts of all
// buckets add up to the number of observations.
type Bucket struct {
	UpperBound float64
	Count      uint64
}

// Metric is one measured value at one moment.
type Metric struct {
	// Name follows the OpenTelemetry semantic conventions where they have one
	// (db.client.connection.count) and starts with "gqlboost." elsewhere.
	Name string
	// Unit is a UCUM unit: "s", "By", "1", "{connection}".
	Unit string
	// Help is one sentence for people.
	Help string
	Kind Kind
	// Value is the count, the level, or a histogram's sum of observations.
	Value float64
	// Attrs tell metrics of one name apart. A receiver must not change them.
	Attrs []Attr
	// Buckets is nil unless Kind is Histogram. A receiver may keep it.
	Buckets []Bucket
}

// Source is implemented by every block that measures itself. Metrics returns a
// snapshot: ranging over it again takes a new one. It is safe for concurrent
// use, does not block the block's own work, and yields metrics of one name next
// to each other.
type Source interface {
	Metrics() iter.Seq[Metric]
}

// WithAttrs returns a source whose metrics also have attrs, in place of those with
// the same keys. They tell two sources of one kind apart, such as two caches:
//
//	gqlboost.WithAttrs(plans, gqlboost.Attr{Key: "cache", Value: "plans"})
func WithAttrs(source Source, attrs ...Attr) Source {
	return withAttrs{source, slices.Clone(attrs)}
}

type withAttrs struct {
	source Source
	attrs  []Attr
}

// Metrics implements [Source].
func (w withAttrs) Metrics() iter.Seq[Metric] {
	return func(yield func(Metric) bool) {
		for m := range w.source.Metrics() {
			own := slices.DeleteFunc(slices.Clone(m.Attrs), func(a Attr) bool {
				return slices.ContainsFunc(w.attrs, func(b Attr) bool { return a.Key == b.Key })
			})
			m.Attrs = append(own, w.attrs...)
			if !yield(m) {
				return
			}
		}
	}
}
