package fleet

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/chart"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// Report is what a show has shown.
type Report struct {
	Date     time.Time
	Machine  load.Machine
	Versions []load.Version
	Fleet    string // what it is made of
	Control  bool   // there is a second one, which latencies are compared with
	Without  []string
	Rate     float64
	Requests int
	Retried  int // by the balancer
	Events   []*Event
	Checks   []Check
	charts   []chart.Chart
}

// Failed returns the checks that do not hold.
func (r *Report) Failed() []Check {
	return r.only(func(c Check) bool { return !c.Held && !c.Open })
}

// Open returns the checks of which it cannot be told.
func (r *Report) Open() []Check { return r.only(func(c Check) bool { return c.Open }) }

func (r *Report) only(of func(Check) bool) (list []Check) {
	for _, c := range r.Checks {
		if of(c) {
			list = append(list, c)
		}
	}
	return list
}

// State says in a word what has come out.
func (c Check) State() string {
	switch {
	case c.Open:
		return "OPEN"
	case !c.Held:
		return "FAILS"
	}
	return "holds"
}

// String returns the check in a line.
func (c Check) String() string {
	return fmt.Sprintf("%-5s  %s: %s: %s", c.State(), cmp.Or(c.Event, "all the time"), c.What, c.Found)
}

func (f *fleet) report(ctx context.Context, w *watcher, events []*Event) (*Report, error) {
	r := &Report{Date: time.Now().UTC().Truncate(time.Second), Machine: load.ThisMachine(),
		Versions: load.Versions(ctx, f.testbed.Postgres.DSN()), Rate: f.Rate, Events: events,
		Without: f.Without,
		Fleet: fmt.Sprintf("%d instances behind HAProxy, a primary and %d replicas of Postgres with %d connections each, "+
			"PgBouncer, a Redis cluster of %d", f.Instances, replicas, maxConnections, redisNodes)}
	if w.control != nil {
		r.Fleet += "; and a second fleet of the same, the control, to which nothing happens"
		r.Control = true
	}
	status, err := f.balancer.status()
	if err != nil {
		return nil, err
	}
	for _, s := range status {
		r.Retried += s.retried
	}
	limit := maxConnections - reserved
	r.Checks = append(w.judge(events, f.Options), w.probe.judge(events)...)
	for _, s := range f.servers {
		r.Checks = append(r.Checks, w.withinLimit(s.name, limit, s.Log()))
	}
	r.Requests = len(w.between(0, time.Hour))
	r.charts = w.charts(events, limit)
	return r, nil
}

// charts shows each second.
func (w *watcher) charts(events []*Event, limit int) []chart.Chart {
	var marks []chart.Mark
	for _, e := range events {
		marks = append(marks, chart.Mark{Name: e.Name, From: e.Begin.Seconds(), To: e.End.Seconds()})
	}
	line := func(name, title, unit, about string, series ...chart.Series) chart.Chart {
		return chart.Chart{Name: name, Title: title, Kind: chart.Lines, X: "second", Y: unit, About: about, Marks: marks,
			Series: series}
	}
	var sent, failed, half, most, control, hits, kept, built, warmed, serving chart.Series
	sent.Name, failed.Name, half.Name, most.Name, control.Name = "answered", "failed", "P50", "P95", "P95 of the control"
	hits.Name, built.Name, warmed.Name = "plans", "for requests", "before instances were ready"
	serving.Name, kept.Name = "answer", "pages of the feed"
	add := func(s *chart.Series, x, y float64) { s.Points = append(s.Points, [2]float64{math.Round(10*x) / 10, y}) }
	end := w.end()
	for second := range int(end.Seconds()) {
		from, to := time.Duration(second)*time.Second, time.Duration(second+1)*time.Second
		list := w.between(from, to)
		good, x := took(list), float64(second)
		add(&sent, x, float64(len(good)))
		add(&failed, x, float64(len(list)-len(good)))
		add(&half, x, millis(percentile(good, 0.5)))
		add(&most, x, p95(good))
		if w.control != nil {
			add(&control, x, p95(took(w.control.between(from, to))))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.plans {
		add(&hits, p.at.Seconds(), 100*p.hitRatio())
		add(&kept, p.at.Seconds(), 100*p.kept/max(p.kept+p.made, 1))
		add(&built, p.at.Seconds(), p.built)
		add(&warmed, p.at.Seconds(), p.warmed)
		add(&serving, p.at.Seconds(), float64(p.instances))
	}
	latencies := []chart.Series{half, most}
	about := "How long the requests of each second took, from the time they were due."
	if w.control != nil {
		latencies = append(latencies, control)
		about += " The control had the same requests at the same times: where both rise, it was the machine."
	}
	return []chart.Chart{
		line("requests", "Requests", "/s", "Requests that were answered rightly, and that failed, in each second.",
			sent, failed),
		line("latency", "Latency", "ms", about, latencies...),
		line("hits", "From the cache", "%", "The share of requests whose plan was in the instance's cache, and of those "+
			"for a page of the feed that was: posts are published several times a second, which ends all pages.", hits, kept),
		line("stale", "Old posts are shown for", "ms", "For how long after a post was published through one instance the "+
			"last of the others did not show it, in each second.", w.writes.line()),
		line("builds", "Plans built", "/s",
			"Queries that were parsed and validated, because of a request or from what the fleet uses.", built, warmed),
		line("connections", "Connections", "", "What the blog has open, ten times a second, and what the server allows.",
			w.connectionLines(limit)...),
		line("instances", "Instances", "", "Those that run and answer, before and while they serve, too.", serving),
	}
}

// connectionLines are those of each server, and of the limit.
func (w *watcher) connectionLines(limit int) []chart.Series {
	lines := []chart.Series{{Name: "limit"}}
	at := map[string]int{}
	for _, c := range w.counts {
		n, known := at[c.server]
		if !known {
			n = len(lines)
			at[c.server], lines = n, append(lines, chart.Series{Name: c.server})
		}
		x := math.Round(10*c.at.Seconds()) / 10
		lines[n].Points = append(lines[n].Points, [2]float64{x, float64(c.n)})
		lines[0].Points = append(lines[0].Points[:min(len(lines[0].Points), 1)], [2]float64{x, float64(limit)})
	}
	return lines
}

// end is when the last request was due.
func (w *watcher) end() (last time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.results {
		last = max(last, r.at)
	}
	return last
}

//go:embed page.html
var pageSource string

var page = template.Must(template.New("fleet").Funcs(template.FuncMap{
	"seconds": func(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) },
}).Parse(pageSource))

// Headline says in a sentence what has come out.
func (r *Report) Headline() string {
	var names []string
	for _, e := range r.Events {
		names = append(names, e.Name)
	}
	text := fmt.Sprintf("%d requests at %.0f/s through %s", r.Requests, r.Rate, strings.Join(names, ", "))
	if len(r.Without) > 0 {
		text += ", without " + strings.Join(r.Without, ", ")
	}
	if n := len(r.Failed()); n > 0 {
		return fmt.Sprintf("%s: %d of %d checks FAIL", text, n, len(r.Checks))
	}
	if n := len(r.Open()); n > 0 {
		return fmt.Sprintf("%s: %d checks hold, %d open, because the machine was busy", text, len(r.Checks)-n, n)
	}
	return fmt.Sprintf("%s: all %d checks hold", text, len(r.Checks))
}

// WriteHTML writes a page that opens without a network.
func (r *Report) WriteHTML(w io.Writer) error {
	return page.Execute(w, struct {
		*Report
		Style           template.CSS
		Charts          []chart.Chart
		Script, Drawing template.JS
	}{r, template.CSS(chart.Style()), r.charts, template.JS(chart.Script()), template.JS(chart.Drawing())})
}
