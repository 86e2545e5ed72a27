package guides

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/contrib/prom"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/lifecycle"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/matview"
	"github.com/gqlboost/gqlboost/simdjson"
	"github.com/gqlboost/gqlboost/stream"
)

// docs/operations.md has each metric with its name in Prometheus, kind and attributes.
func TestMetricsAreDocumented(t *testing.T) {
	const page = root + "/docs/operations.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{} // rows without the last cell, by name
	row := regexp.MustCompile("(?m)^(\\| `((?:gqlboost|db)\\.[^`]+)` \\|.*\\|)[^|]+\\|$")
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		if _, twice := documented[m[2]]; twice {
			t.Errorf("%s is there twice", m[2])
		}
		documented[m[2]] = m[1]
	}
	measured := map[string]*measure{}
	for _, s := range sources(t) {
		for m := range s.Metrics() {
			add(measured, m)
		}
	}
	for _, m := range compiledMetrics(t) {
		add(measured, m)
	}
	for _, name := range slices.Sorted(maps.Keys(measured)) {
		if want := measured[name].row(); documented[name] != want {
			t.Errorf("%s has\n%s\nwant\n%s", page, documented[name], want)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented, but nothing reports it", name)
	}
}

// measure is a metric with the attributes of all of its series.
type measure struct {
	gqlboost.Metric
	keys []string
}

func add(to map[string]*measure, m gqlboost.Metric) {
	if to[m.Name] == nil {
		to[m.Name] = &measure{Metric: m}
	}
	for _, a := range m.Attrs {
		if !slices.Contains(to[m.Name].keys, a.Key) {
			to[m.Name].keys = append(to[m.Name].keys, a.Key)
		}
	}
}

func (m *measure) row() string {
	keys := ""
	if len(m.keys) > 0 {
		keys = "`" + strings.Join(m.keys, "`, `") + "` "
	}
	return fmt.Sprintf("| `%s` | `%s` | %s | %s|", m.Name, prom.Name(m.Metric), m.Kind, keys)
}

// sources returns one of each block, with everything on that adds metrics.
func sources(t *testing.T) (list []gqlboost.Source) {
	t.Helper()
	t.Cleanup(arena.TuneGC(arena.GCOptions{Budget: 1 << 30}))
	var objects arena.Pool[int]
	list = append(list, arena.Source(), new(arena.Buffers), new(arena.Interner), &objects)
	list = append(list, simdjson.Source(), stream.Source())
	plans, err := plancache.New(plancache.Options[int]{Store: store{}, Codec: codec{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plans.Close() })
	if err := plans.Share(plancache.Uses{Ranking: store{}}); err != nil {
		t.Fatal(err)
	}
	results, err := plancache.NewResults(plancache.ResultsOptions{Bytes: 1 << 20, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = results.Close() })
	persisted, err := plancache.NewPersisted(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = persisted.Close() })
	if err := errors.Join(results.Share(plancache.Uses{Ranking: store{}}), persisted.Share(plancache.Uses{Ranking: store{}})); err != nil {
		t.Fatal(err)
	}
	config, err := pool.ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.LeakAfter, config.OnLeak = time.Hour, func(pool.Leak) {}
	config.Lease.Fleet = "guides"
	db, err := pool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	db.Reader()
	life, err := lifecycle.New(lifecycle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	link, err := bus.New(bustest.NewHub().Connect(), bus.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	return append(list, plans, results, persisted, db, life, refreshed(t, db), link)
}

// refreshed returns the refresher of a view that it has refreshed.
func refreshed(t *testing.T, db *pool.Pool) *matview.Refresher {
	t.Helper()
	const view = "create materialized view numbers as select 1 as n with no data; create unique index on numbers (n)"
	if _, err := db.Exec(t.Context(), view); err != nil {
		t.Fatal(err)
	}
	r, err := matview.New(db, matview.Options{View: "numbers", Every: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = r.Run(ctx) }() // It ends with the context.
	t.Cleanup(func() { stop(); <-ended })
	wait.Until(t, "the view to be refreshed", func() bool { _, known := r.Staleness(); return known })
	return r
}

// compiledMetrics reads the metrics of compiled schemas in their source: two of them exist only
// where gqlgen has executed an operation, and a list was held.
func compiledMetrics(t *testing.T) (list []gqlboost.Metric) {
	t.Helper()
	text, err := os.ReadFile("../../gqlgen/compiled/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`"(gqlboost\.compiled\.\w+)"(, Unit: "\{operation\}", Kind: gqlboost.Gauge)?`)
	for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
		metric := gqlboost.Metric{Name: m[1], Unit: "{operation}"}
		if m[2] != "" {
			metric.Kind = gqlboost.Gauge
		}
		if strings.HasSuffix(m[1], ".fallbacks") || strings.HasSuffix(m[1], ".held") {
			metric.Attrs = []gqlboost.Attr{{Key: "reason"}}
		}
		list = append(list, metric)
	}
	if len(list) < 6 {
		t.Errorf("%d metrics of compiled schemas", len(list))
	}
	return list
}

// Each alert is explained.
func TestAlertsAreExplained(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../../prom/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := regexp.MustCompile(`(?m)^ *- alert: (\w+)$`).FindAllStringSubmatch(string(rules), -1)
	if len(alerts) == 0 {
		t.Error("there are no alerts")
	}
	for _, m := range alerts {
		if !strings.Contains(string(page), "\n### "+m[1]+"\n") {
			t.Errorf("operations.md does not say what to do about %s", m[1])
		}
	}
}

// store is a second level that has nothing.
type store struct{}

func (store) Get(context.Context, string) ([]byte, error)              { return nil, plancache.ErrNotFound }
func (store) Set(context.Context, string, []byte, time.Duration) error { return nil }
func (store) Delete(context.Context, string) error                     { return nil }

func (store) Watch(ctx context.Context) (<-chan string, error) {
	keys := make(chan string)
	context.AfterFunc(ctx, func() { close(keys) })
	return keys, nil
}

func (store) Count(context.Context, string, []plancache.Use, plancache.Keep) error { return nil }

func (store) Top(context.Context, string, int, int) ([]plancache.Use, error) { return nil, nil }

type codec struct{}

func (codec) Encode(n int) ([]byte, error)        { return []byte{byte(n)}, nil }
func (codec) Decode(data []byte) (v int, _ error) { return len(data), nil }
