package otel_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.39.0"
	"go.opentelemetry.io/otel/semconv/v1.39.0/dbconv"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/contrib/otel"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/pool"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) { server = s }))
}

type source []gqlboost.Metric

func (s source) Metrics() iter.Seq[gqlboost.Metric] { return slices.Values(s) }

func TestProducer(t *testing.T) {
	a := []gqlboost.Attr{{Key: "state", Value: "idle"}}
	p, err := otel.NewProducer(
		source{
			{Name: "c", Unit: "1", Help: "Counts.", Kind: gqlboost.Counter, Value: 3},
			{Name: "g", Kind: gqlboost.Gauge, Value: 1, Attrs: a},
			{Name: "g", Kind: gqlboost.Gauge, Value: 2, Attrs: []gqlboost.Attr{{Key: "state", Value: "used\xff"}}},
			{Name: "u", Unit: "{connection}", Kind: gqlboost.Gauge, Value: 5},
			{Name: "h", Unit: "s", Kind: gqlboost.Histogram, Value: 7.5, Buckets: []gqlboost.Bucket{{UpperBound: 1, Count: 2}, {UpperBound: 5, Count: 1}, {UpperBound: math.Inf(1), Count: 1}}},
		},
		source{{Name: "d", Kind: gqlboost.Counter, Value: 4, Attrs: a}},
	)
	if err != nil {
		t.Fatal(err)
	}
	reader := metric.NewManualReader(metric.WithProducer(p))
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	defer provider.Shutdown(t.Context())
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.ScopeMetrics) != 1 || len(all.ScopeMetrics[0].Metrics) != 5 {
		t.Fatalf("%+v", all)
	}
	list := all.ScopeMetrics[0].Metrics
	c := list[0].Data.(metricdata.Sum[float64])
	if list[0].Description != "Counts." || !c.IsMonotonic || len(c.DataPoints) != 1 || c.DataPoints[0].Value != 3 || c.DataPoints[0].StartTime.IsZero() {
		t.Errorf("%+v", c)
	}
	g := list[1].Data.(metricdata.Gauge[float64])
	if v, ok := g.DataPoints[0].Attributes.Value("state"); len(g.DataPoints) != 2 || !ok || v.AsString() != "idle" {
		t.Errorf("%+v", g)
	}
	u := list[2].Data.(metricdata.Sum[float64])
	if u.IsMonotonic || u.Temporality != metricdata.CumulativeTemporality || u.DataPoints[0].Value != 5 {
		t.Errorf("%+v", u)
	}
	h := list[3].Data.(metricdata.Histogram[float64]).DataPoints[0]
	if got := fmt.Sprint(h.Count, h.Sum, h.Bounds, h.BucketCounts); got != "4 7.5 [1 5] [2 1 1]" || list[3].Unit != "s" {
		t.Error(got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Produce(ctx); err == nil {
		t.Error("no error for a context that has ended")
	}
}

// Two caches without names are an error at once.
func TestTwice(t *testing.T) {
	newCache := func() gqlboost.Source {
		c, err := plancache.New(plancache.Options[int]{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	if _, err := otel.NewProducer(newCache(), newCache()); err == nil || !strings.Contains(err.Error(), "gqlboost.plancache.plans") {
		t.Errorf("got %v", err)
	}
	named := func(name string) gqlboost.Source {
		return gqlboost.WithAttrs(newCache(), gqlboost.Attr{Key: "cache", Value: name})
	}
	if _, err := otel.NewProducer(named("a"), named("b")); err != nil {
		t.Error(err)
	}
}

// Beyond the limit, points are one.
func TestOverflow(t *testing.T) {
	var many source
	for i := range 5000 {
		many = append(many, gqlboost.Metric{Name: "c", Kind: gqlboost.Counter, Value: 1, Attrs: []gqlboost.Attr{{Key: "user", Value: fmt.Sprint(i)}}})
	}
	p, err := otel.NewProducer(many)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		all, err := p.Produce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		points := all[0].Metrics[0].Data.(metricdata.Sum[float64]).DataPoints
		last := points[len(points)-1]
		if v, ok := last.Attributes.Value("otel.metric.overflow"); len(points) != 2000 || !ok || !v.AsBool() || last.Value != 3001 || last.Attributes.Len() != 1 {
			t.Errorf("%d points, the last one %+v", len(points), last)
		}
	}
}

// The pool's metrics are those of the semantic conventions.
func TestConventions(t *testing.T) {
	config, err := pool.ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.LeakAfter, config.OnLeak = time.Minute, func(pool.Leak) {} // So there is use_time.
	p, err := pool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	producer, err := otel.NewProducer(p)
	if err != nil {
		t.Fatal(err)
	}
	all, err := producer.Produce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const counter, upDown, histogram = "Counter", "UpDownCounter", "Histogram"
	want := map[string][2]string{} // unit and instrument
	for instrument, list := range map[string][]interface {
		Name() string
		Unit() string
	}{
		counter:   {dbconv.ClientConnectionTimeouts{}},
		upDown:    {dbconv.ClientConnectionCount{}, dbconv.ClientConnectionIdleMax{}, dbconv.ClientConnectionIdleMin{}, dbconv.ClientConnectionMax{}, dbconv.ClientConnectionPendingRequests{}},
		histogram: {dbconv.ClientConnectionCreateTime{}, dbconv.ClientConnectionUseTime{}, dbconv.ClientConnectionWaitTime{}},
	} {
		for _, m := range list {
			want[m.Name()] = [2]string{m.Unit(), instrument}
		}
	}
	for _, m := range all[0].Metrics {
		if !strings.HasPrefix(m.Name, "db.") {
			if !strings.HasPrefix(m.Name, "gqlboost.") {
				t.Errorf("%s is neither in the conventions nor our own", m.Name)
			}
			continue
		}
		got := [2]string{m.Unit}
		var points []attribute.Set
		switch d := m.Data.(type) {
		case metricdata.Sum[float64]:
			got[1] = upDown
			if d.IsMonotonic {
				got[1] = counter
			}
			for _, p := range d.DataPoints {
				points = append(points, p.Attributes)
			}
		case metricdata.Histogram[float64]:
			got[1] = histogram
			for _, p := range d.DataPoints {
				points = append(points, p.Attributes)
			}
		}
		if got != want[m.Name] {
			t.Errorf("%s: got %q, want %q", m.Name, got, want[m.Name])
		}
		for _, attributes := range points {
			if _, ok := attributes.Value(semconv.DBClientConnectionPoolNameKey); !ok {
				t.Errorf("%s has no %s", m.Name, semconv.DBClientConnectionPoolNameKey)
			}
			if state, ok := attributes.Value(semconv.DBClientConnectionStateKey); ok != (m.Name == "db.client.connection.count") || ok && state.AsString() != "idle" && state.AsString() != "used" {
				t.Errorf("%s: %v", m.Name, state)
			}
		}
		delete(want, m.Name)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}
