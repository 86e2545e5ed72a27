// Package prom exports the metrics of gqlboost's blocks to Prometheus.
//
//	registry.MustRegister(prom.NewCollector(pool, plans, arena.Source(), stream.Source()))
//
// Names are those of the metrics with Prometheus's customs: db.client.connection.count is
// db_client_connection_count, a counter ends in _total, and what is in seconds or bytes
// says so.
//
// Two sources of the same kind, such as two caches, must be told apart: by
// gqlboost.WithAttrs, or by a registry that prometheus.WrapRegistererWith gives labels of
// its own. Otherwise registration fails, not the first scrape. A pedantic registry takes
// only metrics that are there at registration.
//
// A metric has at most 2000 series. Those that come last are one, with "other"
// for each label, to which a series that has these labels itself is added.
package prom

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/contrib/internal/series"
)

const other = "other"

// Collector is a [prometheus.Collector] of sources. It is safe for concurrent use.
type Collector struct{ series *series.Set }

// NewCollector returns a collector of sources.
func NewCollector(sources ...gqlboost.Source) *Collector {
	return &Collector{series.New(sources, other)}
}

// Describe describes the metrics that the sources have now. Two that cannot be distinguished
// make registration fail.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	list, err := c.series.Check()
	if err != nil {
		to <- prometheus.NewInvalidDesc(err)
		return
	}
	names := map[string]string{} // of metrics, by what Prometheus calls them
	for _, m := range list {
		desc, _ := describe(m)
		if other, ok := names[Name(m)]; ok {
			desc = prometheus.NewInvalidDesc(fmt.Errorf("prom: %s and %s are both %s", other, m.Name, Name(m)))
		}
		names[Name(m)] = m.Name
		to <- desc
	}
}

// Collect asks the sources.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	name, help := "", ""
	c.series.Collect(func(m gqlboost.Metric, overflow bool) {
		if m.Name != name {
			name, help = m.Name, m.Help
		}
		m.Help = help // Prometheus takes one for each name.
		desc, values := describe(m)
		if overflow {
			for i := range values {
				values[i] = other
			}
		}
		to <- convert(m, desc, values)
	})
}

// describe returns what Prometheus calls a metric, and the values of its labels.
func describe(m gqlboost.Metric) (*prometheus.Desc, []string) {
	names, values := make([]string, len(m.Attrs)), make([]string, len(m.Attrs))
	for i, a := range m.Attrs {
		names[i], values[i] = clean(a.Key), series.Clean(a.Value)
	}
	return prometheus.NewDesc(Name(m), m.Help, names, nil), values
}

func convert(m gqlboost.Metric, desc *prometheus.Desc, values []string) prometheus.Metric {
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
