// Package otel exports the metrics of gqlboost's blocks to OpenTelemetry.
//
//	producer, err := otel.NewProducer(pool, plans, arena.Source(), stream.Source())
//	reader := metric.NewPeriodicReader(exporter, metric.WithProducer(producer))
//
// A producer takes the place of instruments: it also passes on histograms, which
// OpenTelemetry's asynchronous instruments cannot. Metrics of database clients have the
// names, units and instruments of the semantic conventions 1.3x. Sums and histograms are cumulative, whatever
// the temporality that the exporter selects: the SDK applies that to instruments only. A backend that
// takes deltas needs a converter, such as the collector's cumulativetodelta processor.
//
// Two sources of the same kind, such as two caches, must be told apart by
// gqlboost.WithAttrs. A metric has at most 2000 points. Those that come last are
// one, with the attribute otel.metric.overflow, as in OpenTelemetry's SDK.
package otel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/contrib/internal/series"
)

const scope = "github.com/gqlboost/gqlboost"

// Producer is a [metric.Producer] of sources. It is safe for concurrent use.
type Producer struct {
	series *series.Set
	start  time.Time
}

var _ metric.Producer = (*Producer)(nil)

// NewProducer returns a producer of sources. It returns an error if metrics of the
// sources cannot be told apart.
func NewProducer(sources ...gqlboost.Source) (*Producer, error) {
	s := series.New(sources, "")
	if _, err := s.Check(); err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	return &Producer{s, time.Now()}, nil
}

// Produce asks the sources. Its error is that of the context.
func (p *Producer) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	made := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: scope}}
	now := time.Now()
	p.series.Collect(func(m gqlboost.Metric, overflow bool) {
		if n := len(made.Metrics); n == 0 || made.Metrics[n-1].Name != m.Name {
			made.Metrics = append(made.Metrics, metricdata.Metrics{Name: m.Name, Description: m.Help, Unit: m.Unit})
		}
		p.add(&made.Metrics[len(made.Metrics)-1], m, attributes(m, overflow), now)
	})
	return []metricdata.ScopeMetrics{made}, nil
}

func attributes(m gqlboost.Metric, overflow bool) attribute.Set {
	if overflow {
		return attribute.NewSet(attribute.Bool("otel.metric.overflow", true))
	}
	list := make([]attribute.KeyValue, len(m.Attrs))
	for i, a := range m.Attrs {
		list[i] = attribute.String(a.Key, series.Clean(a.Value))
	}
	return attribute.NewSet(list...)
}

// additive reports whether levels of a unit add up: connections of two pools do, and so do
// bytes. The conventions have an UpDownCounter for these, and a Gauge for others.
func additive(unit string) bool { return unit == "By" || strings.HasPrefix(unit, "{") }

// add adds a point to the points of its name.
func (p *Producer) add(to *metricdata.Metrics, m gqlboost.Metric, attributes attribute.Set, now time.Time) {
	switch {
	case m.Kind == gqlboost.Counter || m.Kind == gqlboost.Gauge && additive(m.Unit):
		sum, _ := to.Data.(metricdata.Sum[float64])
		sum.Temporality, sum.IsMonotonic = metricdata.CumulativeTemporality, m.Kind == gqlboost.Counter
		point := metricdata.DataPoint[float64]{Attributes: attributes, StartTime: p.start, Time: now, Value: m.Value}
		sum.DataPoints = append(sum.DataPoints, point)
		to.Data = sum
	case m.Kind == gqlboost.Histogram:
		h, _ := to.Data.(metricdata.Histogram[float64])
		h.Temporality = metricdata.CumulativeTemporality
		point := metricdata.HistogramDataPoint[float64]{Attributes: attributes, StartTime: p.start, Time: now, Sum: m.Value}
		for i, b := range m.Buckets {
			point.Count += b.Count
			point.BucketCounts = append(point.BucketCounts, b.Count)
			if i < len(m.Buckets)-1 { // The last bound is infinite, and is left out.
				point.Bounds = append(point.Bounds, b.UpperBound)
			}
		}
		h.DataPoints = append(h.DataPoints, point)
		to.Data = h
	default:
		g, _ := to.Data.(metricdata.Gauge[float64])
		g.DataPoints = append(g.DataPoints, metricdata.DataPoint[float64]{Attributes: attributes, Time: now, Value: m.Value})
		to.Data = g
	}
}
