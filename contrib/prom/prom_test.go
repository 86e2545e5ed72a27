package prom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/contrib/prom"
	"github.com/gqlboost/gqlboost/internal/loopback"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/simdjson"
	"github.com/gqlboost/gqlboost/stream"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) { server = s }))
}

type source []gqlboost.Metric

func (s source) Metrics() iter.Seq[gqlboost.Metric] { return slices.Values(s) }

func scrape(t *testing.T, sources ...gqlboost.Source) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(prom.NewCollector(sources...))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatal(w.Body)
	}
	return w.Body.String()
}

func TestCollector(t *testing.T) {
	got := scrape(t, source{
		{Name: "db.client.connection.count", Unit: "{connection}", Help: "Connections.", Kind: gqlboost.Gauge, Value: 2, Attrs: []gqlboost.Attr{{Key: "db.client.connection.state", Value: "idle\xff"}}},
		{Name: "gqlboost.x.bytes", Unit: "By", Help: "Bytes.", Kind: gqlboost.Counter, Value: 3},
		{Name: "gqlboost.x.time", Unit: "s", Help: "Time.", Kind: gqlboost.Histogram, Value: 7.5, Buckets: []gqlboost.Bucket{{UpperBound: 1, Count: 2}, {UpperBound: 5, Count: 1}, {UpperBound: math.Inf(1), Count: 1}}},
	})
	for _, want := range []string{
		"# HELP db_client_connection_count Connections.", `db_client_connection_count{db_client_connection_state="idle` + "\ufffd" + `"} 2`,
		"# TYPE gqlboost_x_bytes_total counter", "gqlboost_x_bytes_total 3",
		`gqlboost_x_time_seconds_bucket{le="1"} 2`, `gqlboost_x_time_seconds_bucket{le="5"} 3`, `gqlboost_x_time_seconds_bucket{le="+Inf"} 4`,
		"gqlboost_x_time_seconds_sum 7.5", "gqlboost_x_time_seconds_count 4",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func newCache(t *testing.T) gqlboost.Source {
	t.Helper()
	c, err := plancache.New(plancache.Options[int]{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// What cannot be told apart is an error at registration, not at the first scrape.
func TestTwice(t *testing.T) {
	a, b := newCache(t), newCache(t)
	named := func(s gqlboost.Source, name string) gqlboost.Source {
		return gqlboost.WithAttrs(s, gqlboost.Attr{Key: "cache", Value: name})
	}
	labels := func(r prometheus.Registerer, name string) prometheus.Registerer {
		return prometheus.WrapRegistererWith(prometheus.Labels{"cache": name}, r)
	}
	gauge := source{{Name: "x", Kind: gqlboost.Gauge}}
	helped := func(help string) gqlboost.Source {
		return named(source{{Name: "x", Kind: gqlboost.Gauge, Help: help}}, help)
	}
	for name, c := range map[string]struct {
		register func(prometheus.Registerer) error
		want     string // of the error; "" is none
	}{
		"one collector of two": {func(r prometheus.Registerer) error { return r.Register(prom.NewCollector(a, b)) }, "gqlboost.plancache.plans"},
		"one source twice":     {func(r prometheus.Registerer) error { return r.Register(prom.NewCollector(a, a)) }, "gqlboost.plancache.plans"},
		"one collector, named": {func(r prometheus.Registerer) error {
			return r.Register(prom.NewCollector(named(a, "a"), named(b, "b")))
		}, ""},
		"one collector, one name": {func(r prometheus.Registerer) error {
			return r.Register(prom.NewCollector(named(a, "a"), named(b, "a")))
		}, "WithAttrs"},
		"two collectors": {func(r prometheus.Registerer) error {
			return errors.Join(r.Register(prom.NewCollector(a)), r.Register(prom.NewCollector(b)))
		}, "duplicate"},
		"two collectors under labels": {func(r prometheus.Registerer) error {
			return errors.Join(labels(r, "a").Register(prom.NewCollector(a)), labels(r, "b").Register(prom.NewCollector(b)))
		}, ""},
		"two collectors, one under a label": {func(r prometheus.Registerer) error {
			return errors.Join(labels(r, "a").Register(prom.NewCollector(a)), r.Register(prom.NewCollector(b)))
		}, "label names"},
		"two kinds": {func(r prometheus.Registerer) error {
			return r.Register(prom.NewCollector(gauge, named(source{{Name: "x", Kind: gqlboost.Counter}}, "a")))
		}, "two metrics are called x"},
		"other help": {func(r prometheus.Registerer) error {
			return r.Register(prom.NewCollector(helped("a"), helped("b")))
		}, ""},
		"one name in Prometheus": {func(r prometheus.Registerer) error {
			return r.Register(prom.NewCollector(source{
				{Name: "x.time", Unit: "s", Kind: gqlboost.Gauge}, {Name: "x.time.seconds", Unit: "s", Kind: gqlboost.Gauge},
			}))
		}, "x.time and x.time.seconds are both x_time_seconds"},
		"other keys": {func(r prometheus.Registerer) error { return r.Register(prom.NewCollector(gauge, named(gauge, "a"))) }, "two metrics are called x"},
	} {
		registry := prometheus.NewRegistry()
		err := c.register(registry)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		if _, err := registry.Gather(); err != nil {
			t.Errorf("%s: the scrape fails: %v", name, err)
		}
	}
}

// changing is a source whose metrics change.
type changing struct{ metrics *[]gqlboost.Metric }

func (c changing) Metrics() iter.Seq[gqlboost.Metric] { return slices.Values(*c.metrics) }

// What comes later, and cannot be told apart or is too much, fails no scrape. Counters that
// are there stay what they are.
func TestLater(t *testing.T) {
	one := func(user string) gqlboost.Metric {
		return gqlboost.Metric{Name: "c", Kind: gqlboost.Counter, Value: 1, Attrs: []gqlboost.Attr{{Key: "user", Value: user}}}
	}
	metrics := []gqlboost.Metric{one("first"), one("other")}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(prom.NewCollector(changing{&metrics}))
	for i := range 5000 {
		metrics = append(metrics, one(fmt.Sprint(i)))
	}
	metrics = append(metrics, one("first"), one("\xff"), one("\xfe"))
	for range 2 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, m := range families[0].GetMetric() {
			got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
		if len(got) != 2000 || got["first"] != 2 || got["0"] != 1 || got["1997"] != 1 || got["other"] != 5000-1998+2+1 {
			t.Errorf("%d series, first %v, other %v", len(got), got["first"], got["other"])
		}
		slices.Reverse(metrics)
	}
}

// blocks are all that measure themselves, having done something.
func blocks(t *testing.T) []gqlboost.Source {
	t.Helper()
	p, err := pool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	for range 10 {
		if _, err := p.Reader().Exec(t.Context(), "select 1"); err != nil {
			t.Fatal(err)
		}
	}
	plans, err := plancache.New(plancache.Options[int]{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plans.Close() })
	plans.Add(t.Context(), plancache.Key{Query: "q"}, 1)
	plans.Get(t.Context(), plancache.Key{Query: "q"})
	return []gqlboost.Source{p, plans, arena.Source(), stream.Source(), simdjson.Source(), new(arena.Buffers), new(arena.Interner)}
}

var metricName = regexp.MustCompile(`\b(gqlboost|db_client)_[a-z0-9_]+`)

// What the dashboard and the rules ask for is there, and they ask it of a real
// Prometheus, which fires an alert when it should.
func TestPrometheus(t *testing.T) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("prometheus is not installed (Debian: prometheus)")
		}
		t.Skip("prometheus is not installed (Debian: prometheus)")
	}
	rules, err := filepath.Abs("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "check", "rules", rules).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// A latency that is too long, as a server would have it, besides the blocks.
	slow := source{{Name: "http.server.request.duration", Unit: "s", Kind: gqlboost.Histogram, Value: 100, Buckets: []gqlboost.Bucket{{UpperBound: 0.1, Count: 1}, {UpperBound: 5, Count: 100}, {UpperBound: math.Inf(1), Count: 0}}}}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(prom.NewCollector(append(blocks(t), growing{slow, time.Now()})...))
	target := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	defer target.Close()
	api := start(t, binary, strings.TrimPrefix(target.URL, "http://"), rules)

	// Names can be listed while a scrape is being stored; up is stored with all of it.
	wait.Until(t, "the metrics are scraped", func() bool { return len(api.results(t, "up == 1")) == 1 })
	there := map[string]bool{}
	for _, name := range api.strings(t, "/api/v1/label/__name__/values") {
		there[name] = true
	}
	text := ""
	for _, file := range []string{"rules.yml", "dashboard.json"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	if !json.Valid([]byte(text[strings.Index(text, "{\n  \"title\""):])) {
		t.Error("dashboard.json is not JSON")
	}
	for _, name := range metricName.FindAllString(text, -1) {
		if name == "db_client_connection_state" {
			continue // It is a label.
		}
		if base := strings.TrimSuffix(name, "_bucket"); !there[name] && !there[base+"_bucket"] {
			t.Errorf("the dashboard or the rules ask for %s, which no block has", name)
		}
	}
	shown := scrape(t, blocks(t)...)
	for _, label := range regexp.MustCompile(`(result|way)="[a-z]+"`).FindAllString(strings.ReplaceAll(text, `\"`, `"`), -1) {
		if !strings.Contains(shown, label) {
			t.Errorf("the dashboard or the rules ask for %s, which no block has", label)
		}
	}
	for _, expression := range expressions(t) {
		if result := api.get(t, "/api/v1/query?query="+url.QueryEscape(expression)); result["status"] != "success" {
			t.Errorf("%s: %v", expression, result)
		}
	}
	wait.Until(t, "the alert fires", func() bool { return strings.Contains(fmt.Sprint(api.get(t, "/api/v1/alerts")), "GraphQLLatencyHigh") })
}

// growing is a histogram that counts on.
type growing struct {
	source
	start time.Time
}

func (g growing) Metrics() iter.Seq[gqlboost.Metric] {
	return func(yield func(gqlboost.Metric) bool) {
		m := g.source[0]
		n := uint64(time.Since(g.start)/(10*time.Millisecond)) + 1
		m.Buckets = slices.Clone(m.Buckets)
		for i := range m.Buckets {
			m.Buckets[i].Count *= n
		}
		m.Value *= float64(n)
		yield(m)
	}
}

// expressions are those of the dashboard, with its variables filled in.
func expressions(t *testing.T) (list []string) {
	t.Helper()
	b, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, each := range p.Targets {
			list = append(list, strings.NewReplacer("$__rate_interval", "1m", "$job", ".*").Replace(each.Expr))
		}
	}
	if len(list) < 10 {
		t.Errorf("%d expressions", len(list))
	}
	return list
}

type api string

// start starts a Prometheus that scrapes a target every second. A scrape may take as long.
func start(t *testing.T, binary, target, rules string) api {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 200ms}\nrule_files: [%q]\nscrape_configs: [{job_name: api, static_configs: [{targets: [%q]}]}]\n", shortened(t, dir, rules), target)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	address := loopback.FreeAddress(t)
	cmd := exec.Command(binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	a := api("http://" + address)
	wait.Until(t, "Prometheus is ready", func() bool {
		r, err := http.Get(string(a) + "/-/ready")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == 200
	})
	return a
}

// shortened is the rules with their times in milliseconds instead of minutes.
func shortened(t *testing.T, dir, rules string) string {
	t.Helper()
	b, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`for: \d+m`).ReplaceAllString(string(b), "for: 200ms")
	text = regexp.MustCompile(`\[\d+m\]`).ReplaceAllString(text, "[10s]")
	path := filepath.Join(dir, "rules.yml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (a api) get(t *testing.T, path string) (o map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", string(a)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatalf("%v: %.200s", err, b)
	}
	return o
}

// results are those of an expression, now.
func (a api) results(t *testing.T, expression string) []any {
	data, _ := a.get(t, "/api/v1/query?query="+url.QueryEscape(expression))["data"].(map[string]any)
	list, _ := data["result"].([]any)
	return list
}

func (a api) strings(t *testing.T, path string) (list []string) {
	values, _ := a.get(t, path)["data"].([]any)
	for _, v := range values {
		list = append(list, v.(string))
	}
	return list
}
