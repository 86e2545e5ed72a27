package otel_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/contrib/otel"
)

type source []gqlboost.Metric

func (s source) Metrics() iter.Seq[gqlboost.Metric] { return slices.Values(s) }

func TestProducer(t *testing.T) {
	a := []gqlboost.Attr{{Key: "state", Value: "idle"}}
	p := otel.NewProducer(
		source{
			{Name: "c", Unit: "1", Help: "Counts.", Kind: gqlboost.Counter, Value: 3},
			{Name: "g", Kind: gqlboost.Gauge, Value: 1, Attrs: a},
			{Name: "g", Kind: gqlboost.Gauge, Value: 2},
			{Name: "h", Unit: "s", Kind: gqlboost.Histogram, Value: 7.5, Buckets: []gqlboost.Bucket{{UpperBound: 1, Count: 2}, {UpperBound: 5, Count: 1}, {UpperBound: math.Inf(1), Count: 1}}},
		},
		source{{Name: "c", Kind: gqlboost.Counter, Value: 4, Attrs: a}},
	)
	reader := metric.NewManualReader(metric.WithProducer(p))
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	defer provider.Shutdown(t.Context())
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.ScopeMetrics) != 1 || len(all.ScopeMetrics[0].Metrics) != 3 {
		t.Fatalf("%+v", all)
	}
	list := all.ScopeMetrics[0].Metrics
	c := list[0].Data.(metricdata.Sum[float64])
	if list[0].Description != "Counts." || !c.IsMonotonic || len(c.DataPoints) != 2 || c.DataPoints[0].Value+c.DataPoints[1].Value != 7 || c.DataPoints[0].StartTime.IsZero() {
		t.Errorf("%+v", c)
	}
	g := list[1].Data.(metricdata.Gauge[float64])
	if v, ok := g.DataPoints[0].Attributes.Value("state"); len(g.DataPoints) != 2 || !ok || v.AsString() != "idle" {
		t.Errorf("%+v", g)
	}
	h := list[2].Data.(metricdata.Histogram[float64]).DataPoints[0]
	if got := fmt.Sprint(h.Count, h.Sum, h.Bounds, h.BucketCounts); got != "4 7.5 [1 5] [2 1 1]" || list[2].Unit != "s" {
		t.Error(got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Produce(ctx); err == nil {
		t.Error("no error for a context that has ended")
	}
}
