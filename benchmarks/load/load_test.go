package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/gqlboost/gqlboost/benchmarks/internal/chart"
)

func TestConstantArrivalsAreEven(t *testing.T) {
	s := newSchedule([]Phase{{100, time.Hour}}, Constant, time.Second, 1)
	for i := 1; ; i++ {
		at, ok := s.next()
		if !ok {
			if i != 100 { // At 10 ms, 20 ms, ... 990 ms.
				t.Errorf("%d requests in a second at 100/s", i-1)
			}
			return
		}
		if want := time.Duration(i) * 10 * time.Millisecond; at != want {
			t.Fatalf("request %d at %v, want %v", i, at, want)
		}
	}
}

func TestPoissonArrivals(t *testing.T) {
	s := newSchedule([]Phase{{1000, time.Hour}}, Poisson, 100*time.Second, 7)
	var gaps []float64
	var last time.Duration
	for at, ok := s.next(); ok; at, ok = s.next() {
		gaps = append(gaps, (at - last).Seconds())
		last = at
	}
	if n := float64(len(gaps)); math.Abs(n-100_000) > 4*math.Sqrt(100_000) {
		t.Errorf("%v requests in 100 s at 1000/s", n)
	}
	var mean, variance float64
	for _, g := range gaps {
		mean += g / float64(len(gaps))
	}
	for _, g := range gaps {
		variance += (g - mean) * (g - mean) / float64(len(gaps))
	}
	// An exponential distribution's deviation equals its mean.
	if ratio := math.Sqrt(variance) / mean; ratio < 0.97 || ratio > 1.03 {
		t.Errorf("deviation / mean = %v", ratio)
	}
}

func TestPhasesAlternate(t *testing.T) {
	s := newSchedule([]Phase{{0, time.Second}, {50, time.Second}}, Constant, 5*time.Second, 1)
	counts := make([]int, 5)
	for at, ok := s.next(); ok; at, ok = s.next() {
		counts[int(at.Seconds())]++
	}
	for second, n := range counts {
		if want := 49 * (second % 2); n != want {
			t.Errorf("second %d: %d requests, want %d", second, n, want)
		}
	}
}

func TestScatterIsOneToOne(t *testing.T) {
	for _, n := range []int{1, 2, 20, 500, 10_000, 10_007} {
		seen := make([]bool, n+1)
		for rank := range n {
			id := scatter(uint64(rank), n)
			if id < 1 || id > n || seen[id] {
				t.Fatalf("scatter(%d, %d) = %d", rank, n, id)
			}
			seen[id] = true
		}
	}
}

var totals = Totals{Users: 1000, Posts: 1000, Comments: 5000}

// fixed is a mix of one operation that any answer with data satisfies.
var fixed = Mix{{Name: "fixed", Weight: 1, query: "query NAME { x }",
	prepare: func(*generator) (map[string]any, check) { return nil, func(*answer) error { return nil } }}}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func answerOK(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":{}}`) }

// A stall of half a second delays all requests that are due in it, whether or
// not they could be sent: an open loop must count them as late.
func TestOpenLoopCountsTheWholeStall(t *testing.T) {
	var once sync.Once
	var gate sync.RWMutex
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() {
			gate.Lock()
			time.AfterFunc(500*time.Millisecond, gate.Unlock)
		})
		gate.RLock()
		defer gate.RUnlock()
		answerOK(w, r)
	})
	r, err := Run(t.Context(), Config{URL: url, Mix: fixed, Totals: totals, Phases: []Phase{{200, time.Hour}}, Arrivals: Constant, Duration: 2 * time.Second, Variants: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Errors != 0 || r.Requests < 395 || r.Requests > 400 {
		t.Errorf("%d requests, %d errors, want 399 and 0", r.Requests, r.Errors)
	}
	// 100 of 400 requests are due in the stall: P90 is 300 ms into it.
	if r.Latency.P90 < 200 || r.Latency.Max < 450 {
		t.Errorf("P90 %.0f ms, max %.0f ms: the stall is hidden", r.Latency.P90, r.Latency.Max)
	}
}

func TestWarmupIsNotCounted(t *testing.T) {
	var mu sync.Mutex
	served := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		served++
		mu.Unlock()
		answerOK(w, r)
	})
	measured := make(chan struct{})
	r, err := Run(t.Context(), Config{URL: url, Mix: fixed, Totals: totals, Phases: []Phase{{100, time.Hour}}, Arrivals: Constant,
		Warmup: 500 * time.Millisecond, Duration: time.Second, Variants: 1, Measuring: func() { close(measured) }})
	if err != nil {
		t.Fatal(err)
	}
	<-measured
	if served != 149 || r.Requests != 100 {
		t.Errorf("%d served, %d counted; want 149 and 100", served, r.Requests)
	}
}

func TestWrongResponsesAreErrors(t *testing.T) {
	for name, body := range map[string]string{
		"not JSON":     `<html>`,
		"cut off":      `{"data":{"user":{"id":"1","name":"A"`,
		"no data":      `{}`,
		"errors":       `{"data":{"user":null},"errors":[{"message":"boom"}]}`,
		"another user": `{"data":{"user":{"id":"0","name":"A","bio":"b","profile":{"city":"c"},"followerCount":1}}}`,
		"incomplete":   `{"data":{"user":{"id":"1","name":""}}}`,
	} {
		only, err := BlogMix().Only("user")
		if err != nil {
			t.Fatal(err)
		}
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		r, err := Run(t.Context(), Config{
			URL: url, Mix: only, Totals: totals, Clients: 2, Duration: 500 * time.Millisecond, Variants: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests != 0 || r.Errors == 0 || r.ErrorRate() != 1 || len(r.ErrorKinds) == 0 {
			t.Errorf("%s: %d successes, %d errors", name, r.Requests, r.Errors)
		}
	}
}

// Every operation's check accepts a right answer and refuses each change to it.
func TestChecksNoticeChanges(t *testing.T) {
	d := newGenerator(BlogMix(), totals, 1, 3)
	comments := func(variables map[string]any, n int) (list []any) {
		var after int
		fmt.Sscan(fmt.Sprint(variables["after"]), &after)
		for i := range n {
			list = append(list, map[string]any{"id": fmt.Sprint(after + 1 + i), "body": "b", "createdAt": "t"})
		}
		return list
	}
	author := map[string]any{"id": "9", "name": "N"}
	right := map[string]func(v map[string]any) map[string]any{
		"userPosts": func(v map[string]any) map[string]any {
			me := map[string]any{"id": v["id"], "name": "N"}
			return map[string]any{"user": map[string]any{"id": v["id"], "name": "N", "posts": []any{
				map[string]any{"id": "1", "title": "t", "excerpt": "e", "tags": []any{}, "author": me}}}}
		},
		"post": func(v map[string]any) map[string]any {
			return map[string]any{"post": map[string]any{"id": v["id"], "title": "t", "body": "b", "tags": []any{}, "commentCount": 1, "author": author,
				"comments": []any{map[string]any{"id": "1", "body": "b", "author": author}}}}
		},
		"list": func(v map[string]any) map[string]any { return map[string]any{"comments": comments(v, 1000)} },
		"createPost": func(v map[string]any) map[string]any {
			return map[string]any{"createPost": map[string]any{"id": "1", "title": v["title"], "author": map[string]any{"id": v["author"], "name": "N"}}}
		},
		"addComment": func(v map[string]any) map[string]any {
			return map[string]any{"addComment": map[string]any{"id": "1", "body": v["body"], "author": map[string]any{"id": v["author"], "name": "N"}}}
		},
	}
	for i, o := range BlogMix() {
		answer := right[o.Name]
		if answer == nil {
			continue
		}
		request := d.request(i)
		var sent struct{ Variables map[string]any }
		if err := json.Unmarshal(request.Body, &sent); err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(map[string]any{"data": answer(sent.Variables)})
		if err != nil {
			t.Fatal(err)
		}
		if err := request.Check(body); err != nil {
			t.Errorf("%s: a right answer: %v", o.Name, err)
		}
		for _, change := range [][2]string{{`"name":"N"`, `"name":""`}, {`"title":"`, `"title_":"`}, {`"body":"`, `"body_":"`}, {`"id":"`, `"id":"x`}} {
			changed := bytes.ReplaceAll(body, []byte(change[0]), []byte(change[1]))
			if err := request.Check(changed); err == nil && !bytes.Equal(changed, body) {
				t.Errorf("%s: %s for %s was not noticed", o.Name, change[1], change[0])
			}
		}
	}
}

func TestADeadServerIsAFinishedReport(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(answerOK))
	s.Close()
	for _, c := range []Config{{Clients: 4}, {Phases: []Phase{{100, time.Hour}}, Arrivals: Poisson}} {
		c.URL, c.Mix, c.Totals, c.Duration, c.Variants = s.URL, fixed, totals, 300*time.Millisecond, 1
		start := time.Now()
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if r.ErrorKinds["connection refused"] == 0 || r.Requests != 0 {
			t.Errorf("%s: %d successes, errors %v", c.Mode(), r.Requests, r.ErrorKinds)
		}
		if took := time.Since(start); took > requestTimeout/2 {
			t.Errorf("%s: took %v", c.Mode(), took)
		}
	}
}

func TestCancelledRunReturnsWhatItHas(t *testing.T) {
	url := serve(t, answerOK)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r, err := Run(ctx, Config{URL: url, Mix: fixed, Totals: totals, Clients: 2, Duration: time.Hour, Variants: 1})
	if !errors.Is(err, context.DeadlineExceeded) || r == nil || r.Requests == 0 || r.Seconds > 5 {
		t.Errorf("result %+v, err %v", r, err)
	}
}

func TestRecorderKeepsFewHistograms(t *testing.T) {
	r := newRecorder(fixed)
	const seconds = 5000
	for second := range seconds {
		r.record(0, time.Duration(second)*time.Second, time.Duration(second+1)*time.Microsecond, 1, nil)
		r.record(0, -time.Second, time.Hour, 1, nil) // In the warm-up.
	}
	for i := range 100 {
		r.record(0, 0, 0, 0, fmt.Errorf("error %d", i))
	}
	if n := len(r.seconds); n > 200 {
		t.Errorf("%d histograms are kept", n)
	}
	result := r.result(fixed, seconds*time.Second)
	if result.Requests != seconds || result.Errors != 100 || result.Bytes != seconds || len(result.ErrorKinds) > maxKind+1 {
		t.Errorf("%d requests, %d errors of %d kinds", result.Requests, result.Errors, len(result.ErrorKinds))
	}
	var sum int64
	for i, s := range result.Timeline {
		sum += s.Requests
		if i > 0 && s.Second < result.Timeline[i-1].Second {
			t.Fatal("the timeline is out of order")
		}
	}
	if sum != seconds {
		t.Errorf("the timeline has %d requests", sum)
	}
	if p50 := result.Latency.P50; p50 < 2.4 || p50 > 2.6 {
		t.Errorf("P50 of 1..5000 us is %v ms", p50)
	}
}

func stack(names ...string) *profile.Sample {
	s := &profile.Sample{Value: []int64{1000}}
	for _, name := range names {
		s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}})
	}
	return s
}

func TestPartOf(t *testing.T) {
	const pgx = "github.com/jackc/pgx/v5"
	for want, s := range map[string]*profile.Sample{
		"allocation":             stack("runtime.nextFreeFast", "runtime.mallocgc", pgx+".(*Conn).Query"),
		"garbage collection":     stack("runtime.gcAssistAlloc1", "runtime.gcAssistAlloc", "runtime.mallocgc", "main.main"),
		"database":               stack("syscall.Syscall", "net.(*conn).Write", pgx+"/pgconn.(*PgConn).flush", "github.com/vikstrous/dataloadgen.(*Loader).fetch"),
		"scan":                   stack("runtime.memmove", pgx+"/pgtype.(*Map).Scan", pgx+".(*baseRows).Scan"),
		"serialization":          stack("encoding/json.appendCompact", "encoding/json.Marshal", "github.com/99designs/gqlgen/graphql/handler/transport.writeJson"),
		"JSON decode":            stack("encoding/json.(*decodeState).object", "github.com/99designs/gqlgen/graphql/handler/transport.jsonDecode"),
		"parse, validate, plan":  stack("github.com/vektah/gqlparser/v2/lexer.(*Lexer).ReadToken"),
		"resolvers, dataloaders": stack("github.com/gqlboost/gqlboost/examples/blog/graph.(*userResolver).Posts"),
		"HTTP":                   stack("syscall.Syscall", "net/http.(*connReader).Read", "bufio.(*Reader).fill"),
		partScheduler:            stack("internal/runtime/syscall.EpollWait", "runtime.netpoll", "runtime.findRunnable"),
		partOther:                stack("main.main"),
	} {
		if got := partOf(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}, Sample: []*profile.Sample{stack("main.main"), stack("net/http.x"), stack("net/http.y")}}
	got := parts(p, "cpu", 1000, 2)
	if len(got) != 2 || got[0].Name != "HTTP" || math.Abs(got[0].Share-2.0/3) > 1e-9 || got[0].Micros != 1 {
		t.Errorf("parts = %+v", got)
	}
}

func exampleReport() *Report {
	result := func(preset string, throughput float64) *Result {
		return &Result{Server: "baseline", Preset: preset, Mode: "closed loop", Seconds: 2, Requests: 100, Throughput: throughput,
			Latency: Latency{P50: 1, P90: 2, P95: 3, P99: 4, P999: 5}, Timeline: []Second{{0, 50, 0, 1, 2, 3}, {1, 50, 0, 1, 2, 3}},
			Operations: []OperationResult{{Name: "user", Requests: 100}}, Resources: &Resources{ServerCPU: 1, PostgresCPU: 0.5}}
	}
	return &Report{Date: time.Unix(0, 0).UTC(), Command: "make x", Maximum: 200, Results: []*Result{result("closed", 200), result("peak", 140)},
		Breakdown: &Breakdown{CPU: []Part{{"allocation", 0.6, 10}, {"serialization", 0.4, 7}}}}
}

// The plot of servers has those of the closed loop, and there is none if there are none.
func TestPlots(t *testing.T) {
	r := exampleReport()
	r.Results[1].Server = "elsewhere"
	r.Results[0].Throughput, r.Results[0].Latency.P95 = 1234, 56
	plots, err := Draw(Published(r))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"servers.svg", "servers-dark.svg"} {
		text := string(plots[name])
		if !strings.Contains(text, "1234/s, P95 56 ms") || !strings.Contains(text, ">baseline<") || strings.Contains(text, "elsewhere") {
			t.Error(name, text)
		}
	}
	if plots, err = Draw(Published(&Report{})); err != nil || len(plots) != 0 {
		t.Errorf("%d plots, %v", len(plots), err)
	}
}

func TestReportsRender(t *testing.T) {
	var html, markdown, table, comparison strings.Builder
	if err := WriteHTML(&html, exampleReport()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(html.String(), `class="chart"`); n != 5 {
		t.Errorf("%d charts", n)
	}
	own := strings.Replace(html.String(), chart.Script(), "", 1)
	if len(own) == html.Len() {
		t.Error("ECharts is not in the page")
	}
	for _, reference := range []string{"src=", "href=", "@import", "url("} {
		if strings.Contains(own, reference) {
			t.Errorf("the page needs something from outside: %s", reference)
		}
	}
	if err := WriteMarkdown(&markdown, exampleReport()); err != nil {
		t.Fatal(err)
	}
	WriteTable(&table, exampleReport().Results)
	after := exampleReport()
	after.Results[0].Throughput = 300
	WriteComparison(&comparison, exampleReport(), after)
	for what, text := range map[string][2]string{
		"page": {own, "By operation"}, "Markdown": {markdown.String(), "1. **arena and its GC governor**: 60.00 %"},
		"machine": {own, "not recorded"}, "table": {table.String(), "baseline"}, "comparison": {comparison.String(), "1.50"},
	} {
		if !strings.Contains(text[0], text[1]) {
			t.Errorf("%s lacks %q:\n%s", what, text[1], text[0])
		}
	}
	encoded, err := json.Marshal(exampleReport())
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(encoded, &back); err != nil || back.Results[1].Latency.P95 != 3 || back.Breakdown.CPU[0].Share != 0.6 {
		t.Errorf("JSON does not survive: %v", err)
	}
}
