package fleet

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

const window = 10 * time.Second

// quiet is a watcher that has seen 60 seconds in which nothing went wrong, and an event in the
// middle of them.
func quiet() (*watcher, *Event) {
	w := &watcher{writes: newWrites(), control: new(watcher)}
	for n := range 60 * 200 {
		at := time.Duration(n) * 5 * time.Millisecond
		r := result{at: at, took: time.Duration(1+n*7919%100) * 100 * time.Microsecond, slot: 1 + n%5}
		w.results, w.control.results = append(w.results, r), append(w.control.results, r)
	}
	for n := range 60 {
		w.plans = append(w.plans, plans{at: time.Duration(n) * time.Second, lookups: 200, built: 2, instances: 4,
			answers: 8, kept: 20, made: 20})
		w.machine = append(w.machine, condition{at: time.Duration(n) * time.Second, own: time.Duration(n) * time.Second})
	}
	for n := range 8 {
		w.starts = append(w.starts, began{1 + n%5, time.Duration(-2+5*n) * time.Second})
	}
	for n := range 600 {
		at := time.Duration(n) * 100 * time.Millisecond
		w.writes.looks = append(w.writes.looks, look{at, 30 * time.Millisecond, "one"})
		w.writes.reads = append(w.writes.reads, attempt{at, false})
		if n%writeEach == 0 {
			w.writes.posts = append(w.writes.posts, attempt{at, false})
		}
		w.counts = append(w.counts, count{time.Duration(n) * 100 * time.Millisecond, "primary", 20})
	}
	return w, &Event{Name: "event", Begin: 20 * time.Second, End: 25 * time.Second, Recovery: recovery}
}

// slow has new instances answer slowly in the second that begins some time after they do.
func (w *watcher) slow(after time.Duration) {
	for _, s := range w.starts {
		for i, r := range w.results {
			if r.slot == s.slot && r.at >= s.at+after && r.at < s.at+after+time.Second {
				w.results[i].took *= 3
			}
		}
	}
}

// slowAfter has all requests of the seconds after the event and its recovery take so many times as long.
func (w *watcher) slowAfter(times float64) {
	for n := range 10 {
		for i := range w.second(27 + n) {
			r := &w.second(27 + n)[i]
			r.took = time.Duration(times * float64(r.took))
		}
	}
}

// restart has more instances start, which are not slow.
func (w *watcher) restart() {
	for n := range 5 {
		w.starts = append(w.starts, began{1 + n, time.Duration(15+5*n) * time.Second})
	}
}

func operation(t *testing.T, name string) int {
	t.Helper()
	for i, o := range load.BlogMix() {
		if o.Name == name {
			return i
		}
	}
	t.Fatalf("no operation %s", name)
	return 0
}

// fail has one of so many attempts of a time fail.
func fail(list []attempt, each int, from, to time.Duration) {
	for i, a := range list {
		list[i].failed = a.failed || i%each == 0 && a.at >= from && a.at < to
	}
}

// second is the results that were due in it.
func (w *watcher) second(n int) []result { return w.results[200*n : 200*(n+1)] }

var errAny = errors.New("any")

// Each check holds where nothing happened, and one change breaks it.
func TestChecksFailForWhatMustNotBe(t *testing.T) {
	var mutation int
	for _, c := range []struct {
		name   string
		change func(*watcher, *Event)
		fails  string // parts of the checks that must fail, with | between them, "" for none
	}{
		{"nothing", func(*watcher, *Event) {}, ""},
		{"a failed request", func(w *watcher, _ *Event) { w.second(22)[7].err = errAny }, "no request fails"},
		{"a failed request long after", func(w *watcher, _ *Event) { w.second(36)[7].err = errAny }, "no request fails"},
		{"a failed request of before", func(w *watcher, _ *Event) { w.second(19)[7].err = errAny }, "no request fails"},
		{"a failed request of an outage", func(w *watcher, e *Event) { e.Outage, w.second(26)[7].err = true, errAny }, ""},
		{"one that was on its way when it began", func(w *watcher, e *Event) {
			e.Outage = true
			w.second(19)[150].err, w.second(19)[150].took = errAny, time.Second
		}, ""},
		{"a failed request after an outage", func(w *watcher, e *Event) { e.Outage, w.second(27)[7].err = true, errAny },
			"no request fails"},
		{"a mutation that nobody killed", func(w *watcher, _ *Event) {
			w.second(20)[1].err, w.second(20)[1].operation = errAny, mutation
		}, "no request fails"},
		{"a mutation of a killed instance", func(w *watcher, e *Event) {
			e.Killed = true
			w.second(20)[1].err, w.second(20)[1].operation = errAny, mutation
		}, ""},
		{"a mutation after the kill", func(w *watcher, e *Event) {
			e.Killed = true
			w.second(21)[1].err, w.second(21)[1].operation = errAny, mutation
		}, "no request fails"},
		{"an answer that a killed instance had begun", func(w *watcher, e *Event) {
			e.Killed, w.second(20)[1].err = true, load.ErrCutShort
		}, ""},
		{"one that nobody killed", func(w *watcher, _ *Event) { w.second(20)[1].err = load.ErrCutShort }, "no request fails"},
		{"a query of a killed instance", func(w *watcher, e *Event) { e.Killed, w.second(20)[1].err = true, errAny },
			"no request fails"},
		{"no requests", func(w *watcher, _ *Event) { w.results = nil },
			"no request fails|after it, P95|first second|second second|before the first"},
		{"no control", func(w *watcher, _ *Event) { w.control.results = nil },
			"after it, P95|to the control|before the first"},
		{"a failed request to the control", func(w *watcher, _ *Event) { w.control.second(50)[7].err = errAny },
			"to the control"},
		{"a second of misses", func(w *watcher, _ *Event) { w.plans[23].built = 14 }, "plans from the cache"},
		{"a few misses", func(w *watcher, _ *Event) { w.plans[23].built = 8 }, ""},
		{"misses before", func(w *watcher, _ *Event) { w.plans[8].built = 100 }, ""},
		{"no look in time before", func(w *watcher, _ *Event) { w.plans = append(w.plans[:9:9], w.plans[20:]...) }, ""},
		{"no look before", func(w *watcher, _ *Event) { w.plans = w.plans[20:] }, "plans from the cache"},
		{"slow afterwards", func(w *watcher, _ *Event) { w.slowAfter(2) }, "after it, P95|before the first"},
		{"a bit slow afterwards", func(w *watcher, _ *Event) { w.slowAfter(1.2) }, "after it, P95|before the first"},
		{"an event that makes it dearer", func(w *watcher, e *Event) { e.Dearer = 1.15; w.slowAfter(1.2) },
			"before the first"},
		{"one that makes it dearer than it may", func(w *watcher, e *Event) { e.Dearer = 1.15; w.slowAfter(1.3) },
			"after it, P95|before the first"},
		{"a machine that is slow afterwards", func(w *watcher, _ *Event) { w.slowAfter(2); w.control.slowAfter(2) }, ""},
		{"one that is fast afterwards, and the fleet is not", func(w *watcher, _ *Event) { w.control.slowAfter(0.5) },
			"after it, P95|before the first"},
		{"what burns the CPU afterwards", func(w *watcher, _ *Event) {
			for i := range w.machine[28:] {
				w.machine[28+i].own += time.Duration(i) * time.Second
			}
		}, "CPU time"},
		{"slow in the recovery", func(w *watcher, _ *Event) {
			for n := range 7 {
				for i := range w.second(20 + n) {
					w.second(20 + n)[i].took *= 10
				}
			}
		}, ""},
		{"one slow second, as any machine has", func(w *watcher, _ *Event) {
			for i := range w.second(30) {
				w.second(30)[i].took *= 3
			}
		}, ""},
		{"new instances that are slow at first", func(w *watcher, _ *Event) { w.slow(0) }, "first second"},
		{"new instances that are slow for longer", func(w *watcher, _ *Event) { w.slow(time.Second) }, "second second"},
		{"one new instance that is slow", func(w *watcher, _ *Event) { w.starts = w.starts[:3]; w.slow(0); w.restart() }, ""},
		{"nothing that is new", func(w *watcher, _ *Event) { w.starts = nil }, "first second|second second"},
		{"a stale result", func(w *watcher, _ *Event) { w.writes.looks[222].behind = lateFor + 1 }, "was published"},
		{"one that may be", func(w *watcher, _ *Event) { w.writes.looks[222].behind = lateFor }, ""},
		{"a stale result without Redis", func(w *watcher, e *Event) {
			e.Stale = blindFor
			w.writes.looks[222].behind = blindFor + 1
		}, "was published"},
		{"one that may be without Redis", func(w *watcher, e *Event) {
			e.Stale = blindFor
			w.writes.looks[222].behind = blindFor
		}, ""},
		{"no look at results", func(w *watcher, _ *Event) { w.writes.looks = nil }, "was published"},
		{"no post", func(w *watcher, _ *Event) { w.writes.posts = nil }, "was published"},
		{"posts that all fail", func(w *watcher, _ *Event) { fail(w.writes.posts, 1, 0, time.Hour) }, "was published"},
		{"too many looks that fail", func(w *watcher, _ *Event) { fail(w.writes.reads, 3, 0, time.Hour) }, "was published"},
		{"looks at a killed instance", func(w *watcher, _ *Event) {
			fail(w.writes.reads, 4, 20*time.Second, 23*time.Second)
			fail(w.writes.posts, 4, 20*time.Second, 23*time.Second)
		}, ""},
		{"none is answered in an outage", func(w *watcher, e *Event) {
			e.Outage = true
			fail(w.writes.reads, 1, e.Begin, e.End+e.Recovery)
			fail(w.writes.posts, 1, e.Begin, e.End+e.Recovery)
		}, ""},
		{"nor afterwards", func(w *watcher, e *Event) {
			e.Outage = true
			fail(w.writes.posts, 1, 0, time.Hour)
		}, "was published"},
		{"a show that ends in an outage", func(w *watcher, e *Event) { e.Outage, w.writes.posts = true, nil }, ""},
		{"results that are made each time", func(w *watcher, _ *Event) {
			for i := range w.plans {
				w.plans[i].kept = 0
			}
		}, "was published"},
		{"no answer to what one schema has", func(w *watcher, _ *Event) {
			for i := range w.plans {
				w.plans[i].answers = 0
			}
		}, "another schema"},
		{"another schema's plan", func(w *watcher, _ *Event) { w.wrong = []string{"wrong"} }, "another schema"},
		{"too many connections", func(w *watcher, _ *Event) { w.counts[100].n = 38 }, "connections"},
		{"no look at connections", func(w *watcher, _ *Event) { w.counts = nil }, "connections"},
	} {
		mutation = operation(t, "addComment")
		w, e := quiet()
		c.change(w, e)
		checks := append(w.judge([]*Event{e}, Options{Window: window}), w.withinLimit("primary", 37, "all is well"))
		for _, each := range checks {
			fails := slices.ContainsFunc(strings.Split(c.fails, "|"), func(part string) bool {
				return part != "" && strings.Contains(each.What, part)
			})
			if each.Held == fails {
				t.Errorf("%s: %s", c.name, each)
			}
		}
		if (len((&Report{Checks: checks}).Failed()) > 0) != (c.fails != "") {
			t.Errorf("%s: a report of it fails: %v", c.name, c.fails == "")
		}
	}
}

// What a client reads tells nothing if hardly any of its requests are answered, but in an outage.
func TestProbeNeedsAnswers(t *testing.T) {
	outage := &Event{Begin: 20 * time.Second, End: 25 * time.Second, Recovery: recovery, Outage: true}
	for name, c := range map[string]struct {
		change      func(*probe)
		own, others bool // hold
	}{
		"nothing":         {func(*probe) {}, true, true},
		"a few fail":      {func(p *probe) { fail(p.own.asked, 10, 0, time.Hour) }, true, true},
		"one is answered": {func(p *probe) { fail(p.own.asked[1:], 1, 0, time.Hour) }, false, true},
		"an outage": {func(p *probe) {
			fail(p.own.asked, 1, outage.Begin, outage.End+recovery)
			fail(p.others.asked, 1, outage.Begin, outage.End+recovery)
		}, true, true},
		"as long before it": {func(p *probe) { fail(p.others.asked, 1, 0, 15*time.Second) }, true, false},
		"a wrong one":       {func(p *probe) { p.others.wrong = []string{"old"} }, true, false},
		"none":              {func(p *probe) { p.own.asked = nil }, false, true},
	} {
		p := newProbe("")
		for n := range 600 {
			at := time.Duration(n) * probeEvery
			p.own.asked = append(p.own.asked, attempt{at, false})
			p.others.asked = append(p.others.asked, attempt{at, false})
		}
		c.change(p)
		checks := p.judge([]*Event{{Begin: time.Second, End: 10 * time.Second}, outage})
		if checks[0].Held != c.own || checks[1].Held != c.others {
			t.Errorf("%s: %v", name, checks)
		}
	}
}

func TestRefusedConnectionsAreSeen(t *testing.T) {
	w, _ := quiet()
	for _, line := range []string{"FATAL:  sorry, too many clients already",
		"FATAL:  remaining connection slots are reserved for non-replication superuser connections"} {
		if c := w.withinLimit("primary", 37, "LOG:  ready\n"+line+"\n"); c.Held {
			t.Error(c)
		}
	}
}

// The next event ends the time of the one before.
func TestAFailureBelongsToOneEvent(t *testing.T) {
	w, first := quiet()
	second := &Event{Name: "second", Begin: 37 * time.Second, End: 38 * time.Second, Recovery: recovery}
	w.second(40)[0].err = errAny
	checks := w.judge([]*Event{first, second}, Options{Window: window, Short: true})
	for _, c := range checks {
		if c.What == "no request fails" && c.Held != (c.Event == "event") {
			t.Error(c)
		}
	}
}

func TestPageOfAReport(t *testing.T) {
	w, e := quiet()
	e.About = "<b>dangerous</b>"
	w.second(22)[7].err = errAny
	r := &Report{Date: time.Now(), Rate: 200, Requests: len(w.results), Events: []*Event{e},
		Checks: w.judge([]*Event{e}, Options{Window: window}), charts: w.charts([]*Event{e}, 37)}
	var out bytes.Buffer
	if err := r.WriteHTML(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, part := range []string{"1 of 10 checks FAIL", `class="failed"`, "&lt;b&gt;dangerous",
		`"marks":[{"name":"event","from":20,"to":25}]`} {
		if !strings.Contains(text, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if strings.Contains(text, "http://") && strings.Contains(text, `src="http`) {
		t.Error("the page loads something")
	}
	for _, c := range r.charts {
		if c.Empty() {
			t.Errorf("the chart %s is empty", c.Name)
		}
	}
}

func TestNextSchemaNeedsWhatItChanges(t *testing.T) {
	next, err := nextSchema("type User {\n  id: ID!\n  handle: String!\n}\n")
	if err != nil || strings.Contains(next, "handle") || !strings.Contains(next, "directive @cost") {
		t.Errorf("%q, %v", next, err)
	}
	if _, err := nextSchema("type User { id: ID! }"); err == nil {
		t.Error("a schema without the field is taken")
	}
}

// What a page lacks is as old as the first write that it should show.
func TestBehind(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	w := newWrites()
	w.acked = []write{{10, ago(9 * time.Second)}, {14, ago(5 * time.Second)}, {20, ago(time.Second)}, {22, now.Add(time.Second)}}
	for _, c := range []struct {
		shown []int
		want  time.Duration
	}{
		{[]int{22, 20, 14, 10}, 0}, {[]int{20, 14, 10}, 0}, {[]int{21, 20, 15}, 0}, {[]int{14, 10}, time.Second},
		{[]int{19, 14, 13}, time.Second}, {[]int{21, 14}, time.Second}, {[]int{20, 13}, 5 * time.Second},
		{[]int{9, 8}, 9 * time.Second},
	} {
		if got := w.behind(c.shown, now); got != c.want {
			t.Errorf("%v: %v, want %v", c.shown, got, c.want)
		}
	}
}

func TestWithoutWhatThereIsNot(t *testing.T) {
	o := Options{Without: []string{warm, "luck"}}
	if err := o.check(); err == nil || !strings.Contains(err.Error(), "luck") {
		t.Errorf("got %v", err)
	}
	for _, p := range Protections {
		o := Options{Without: []string{p.Name}}
		if err := o.check(); err != nil || o.with(p.Name) || !(&Options{}).with(p.Name) {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
