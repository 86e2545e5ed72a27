// Package otel gives what gqlboost's blocks do to OpenTelemetry.
//
//	producer := otel.NewProducer(pool, plans, arena.Source(), stream.Source())
//	reader := metric.NewPeriodicReader(exporter, metric.WithProducer(producer))
//
// A producer takes the place of instruments: it also passes on histograms, which
// OpenTelemetry's asynchronous instruments cannot.
package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gqlboost/gqlboost"
)

const scope = "github.com/gqlboost/gqlboost"

// Producer is a [metric.Producer] of sources. It is safe for concurrent use.
type Producer struct {
	sources []gqlboost.Source
	start   time.Time
}

var _ metric.Producer = (*Producer)(nil)

// NewProducer makes a producer.
func NewProducer(sources ...gqlboost.Source) *Producer { return &Producer{sources, time.Now()} }

// Produce asks the sources.
func (p *Producer) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	made := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: scope}}
	known := map[string]int{} // where the metrics of a name are
	now := time.Now()
	for _, s := range p.sources {
		for m := range s.Metrics() {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			i, ok := known[m.Name]
			if !ok {
				i = len(made.Metrics)
				known[m.Name] = i
				made.Metrics = append(made.Metrics, metricdata.Metrics{Name: m.Name, Description: m.Help, Unit: m.Unit})
			}
			p.add(&made.Metrics[i], m, now)
		}
	}
	return []metricdata.ScopeMetrics{made}, nil
}

// add adds a point to the points of its name.
func (p *Producer) add(to *metricdata.Metrics, m gqlboost.Metric, now time.Time) {
	list := make([]attribute.KeyValue, len(m.Attrs))
	for i, a := range m.Attrs {
		list[i] = attribute.String(a.Key, a.Value)
	}
	attributes := attribute.NewSet(list...)
	switch m.Kind {
	case gqlboost.Counter:
		sum, _ := to.Data.(metricdata.Sum[float64])
		sum.Temporality, sum.IsMonotonic = metricdata.CumulativeTemporality, true
		sum.DataPoints = append(sum.DataPoints, metricdata.DataPoint[float64]{Attributes: attributes, StartTime: p.start, Time: now, Value: m.Value})
		to.Data = sum
	case gqlboost.Histogram:
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
