// Package prom shows what gqlboost's blocks do to Prometheus.
//
//	registry.MustRegister(prom.NewCollector(pool, plans, arena.Source(), stream.Source()))
//
// Names are those of the metrics with Prometheus's customs: db.client.connection.count is
// db_client_connection_count, a counter ends in _total, and what is in seconds or bytes
// says so. Two sources of the same kind, such as two pools, must be told apart by their
// attributes, or be registered under labels of their own with
// prometheus.WrapRegistererWith.
package prom

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gqlboost/gqlboost"
)

// Collector is a [prometheus.Collector] of sources.
type Collector struct{ sources []gqlboost.Source }

// NewCollector makes a collector.
func NewCollector(sources ...gqlboost.Source) *Collector { return &Collector{sources} }

// Describe describes nothing: which metrics there are the sources say when they are asked.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks the sources.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	for _, s := range c.sources {
		for m := range s.Metrics() {
			to <- convert(m)
		}
	}
}

func convert(m gqlboost.Metric) prometheus.Metric {
	names, values := make([]string, len(m.Attrs)), make([]string, len(m.Attrs))
	for i, a := range m.Attrs {
		names[i], values[i] = clean(a.Key), strings.ToValidUTF8(a.Value, "\ufffd")
	}
	desc := prometheus.NewDesc(Name(m), m.Help, names, nil)
	var made prometheus.Metric
	var err error
	switch m.Kind {
	case gqlboost.Counter:
		made, err = prometheus.NewConstMetric(desc, prometheus.CounterValue, m.Value, values...)
	case gqlboost.Histogram:
		count, buckets := uint64(0), make(map[float64]uint64, len(m.Buckets))
		for _, b := range m.Buckets {
			count += b.Count
			buckets[b.UpperBound] = count
		}
		made, err = prometheus.NewConstHistogram(desc, count, m.Value, buckets, values...)
	default:
		made, err = prometheus.NewConstMetric(desc, prometheus.GaugeValue, m.Value, values...)
	}
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return made
}

// units are what Prometheus writes for units that it has customs for.
var units = map[string]string{"s": "seconds", "By": "bytes"}

// Name returns a metric's name in Prometheus.
func Name(m gqlboost.Metric) string {
	name := clean(m.Name)
	if unit := units[m.Unit]; unit != "" && !strings.HasSuffix(name, "_"+unit) {
		name += "_" + unit
	}
	if m.Kind == gqlboost.Counter {
		name += "_total"
	}
	return name
}

// clean makes a name one of Prometheus's.
func clean(name string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, name)
}
