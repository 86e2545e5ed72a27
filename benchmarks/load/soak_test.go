package load

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A figure that grows drifts, one that is only noisy does not, nor one that gets better.
func TestDrifts(t *testing.T) {
	windows := func(change func(w *Window, i int, noise float64)) (list []Window) {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 60 {
			w := Window{Minutes: float64(i), P50: 10, P95: 20, Throughput: 1000, Memory: 100e6, LiveHeap: 50e6, Goroutines: 30, Connections: 8}
			change(&w, i, random.NormFloat64())
			list = append(list, w)
		}
		return list
	}
	for _, c := range []struct {
		name   string
		change func(w *Window, i int, noise float64)
		drifts string
	}{
		{"steady", func(*Window, int, float64) {}, ""},
		{"noise", func(w *Window, _ int, n float64) { w.P95 += 5 * n; w.Memory += 2e7 * n; w.Throughput += 100 * n }, ""},
		{"warming up", func(w *Window, i int, _ float64) { w.Memory = 100e6 * min(1, 0.5+float64(i)/10) }, ""},
		{"faster", func(w *Window, i int, _ float64) { w.P95 -= float64(i) / 10; w.Throughput += float64(10 * i) }, ""},
		{"leak", func(w *Window, i int, n float64) { w.Memory += float64(i)*1e6 + 5e6*n }, "memory, MiB"},
		{"goroutines", func(w *Window, i int, _ float64) { w.Goroutines += float64(i / 5) }, "goroutines"},
		{"slower", func(w *Window, i int, n float64) { w.P95 += float64(i)/10 + n }, "P95, ms"},
		{"less", func(w *Window, i int, n float64) { w.Throughput -= float64(5*i) + 20*n }, "throughput, requests/s"},
		{"nothing any more", func(w *Window, i int, _ float64) { w.Throughput *= float64(1 - i/30) }, "throughput, requests/s"},
		{"nothing at first", func(w *Window, i int, _ float64) { w.PauseP99 = float64(i / 30) }, "GC pause P99, ms"},
	} {
		for _, d := range Drifts(windows(c.change)) {
			if d.Drifts != (d.Figure == c.drifts) {
				t.Errorf("%s: %+v", c.name, d)
			}
		}
	}
	if list := Drifts(nil); len(list) == 0 || list[0].Drifts {
		t.Errorf("without windows: %+v", list)
	}
}

// What a new server does until its caches are full is no drift, in whichever session.
func TestDriftsOfSessions(t *testing.T) {
	var windows []Window
	for session := range 3 {
		for i := range 20 {
			w := Window{Session: session + 1, Minutes: float64(len(windows)), P95: 20, Memory: 100e6}
			if i < 2 {
				w.P95, w.Memory = 20*float64(session+1), 50e6*float64(session+1)
			}
			windows = append(windows, w)
		}
	}
	windows[len(windows)-1].Busy, windows[len(windows)-1].P95 = true, 1e6
	for _, d := range Drifts(windows) {
		if d.Drifts || d.Growth != 0 {
			t.Errorf("%+v", d)
		}
	}
}

// What grows in each session, and begins again with the next one, is a leak, and what grows from
// one session to the next drifts, too. That servers or machines differ is neither.
func TestDriftsOfSeveralSessions(t *testing.T) {
	one := func(int) string { return "one" }
	two := func(session int) string { return []string{"one", "another"}[session/6] }
	for name, c := range map[string]struct {
		sessions int
		cpu      func(session int) string
		memory   func(session, i int) float64 // MiB
		mark     string
	}{
		"in each":      {16, one, func(_, i int) float64 { return 100 + float64(i) }, "DRIFTS"},
		"in the third": {3, one, func(session, i int) float64 { return 100 + float64(session/2*3*i) }, "DRIFTS"},
		"from session to session": {12, one, func(session, _ int) float64 { return 100 + 5*float64(session) },
			"DRIFTS from session to session"},
		"of few sessions": {4, one, func(session, _ int) float64 { return 100 + 5*float64(session) }, ""},
		"steps":           {8, one, func(session, _ int) float64 { return 100 + 40*float64(session*5%8) }, ""},
		"the last":        {3, one, func(session, _ int) float64 { return []float64{70, 60, 85}[session] }, ""},
		"another machine": {12, two, func(session, _ int) float64 { return 100 + 40*float64(session/6) }, ""},
		"on each of two machines": {12, two, func(session, _ int) float64 { return 100 + 10*float64(session%6) },
			"DRIFTS from session to session"},
	} {
		random := rand.New(rand.NewPCG(3, 4))
		var windows []Window
		for session := range c.sessions {
			for i := range 30 {
				windows = append(windows, Window{Session: session + 1, CPU: c.cpu(session), Minutes: float64(len(windows)),
					P95: 20 + random.NormFloat64(), Memory: mib * (c.memory(session, i) + 3*random.NormFloat64()), Goroutines: 40})
			}
		}
		for _, d := range Drifts(windows) {
			if want := d.Figure == "memory, MiB" && c.mark != ""; d.Drifts != want {
				t.Errorf("%s: %+v", name, d)
			}
		}
		var out strings.Builder
		WriteDrifts(&out, windows)
		if mark := regexp.MustCompile("DRIFTS[a-z ]*[a-z]|DRIFTS").FindString(out.String()); mark != c.mark {
			t.Errorf("%s: %q: %s", name, mark, out.String())
		}
	}
}

// A machine that becomes slower is no drift of the server's latency, and hides none: sessions in which nobody knows
// how fast it was do not count. What is hardly slower, or faster, explains nothing.
func TestDriftsBesideTheMachine(t *testing.T) {
	for name, c := range map[string]struct {
		statement func(i int) float64
		latency   func(i int, statement float64) float64
		drifts    bool
	}{
		"a slower machine": {func(i int) float64 { return 1 + float64(i)/60 + float64(i*7%10)/20 },
			func(_ int, s float64) float64 { return 5 * s }, false},
		"a slower server on a machine that is hardly slower": {func(i int) float64 { return 1 + float64(i)/12000 },
			func(i int, _ float64) float64 { return 20 + float64(i)/10 }, true},
		"a slower server on a faster machine": {func(i int) float64 { return 2 - float64(i)/60 },
			func(i int, _ float64) float64 { return 20 + float64(i)/10 }, true},
		"a slower server on a machine that varies": {func(i int) float64 { return 1 + float64(i*7%10)/5 },
			func(i int, s float64) float64 { return 5*s + float64(i)/20 }, true},
		"a slower server on a slower machine": {func(i int) float64 { return 1 + float64(i)/60 + float64(i*7%10)/20 },
			func(i int, s float64) float64 { return 5*s + float64(i)/20 }, true},
		"a faster machine hides nothing": {func(i int) float64 { return 3 - float64(i)/60 + float64(i*7%10)/20 },
			func(i int, s float64) float64 { return 2*s + float64(i)/30 }, true},
	} {
		random := rand.New(rand.NewPCG(5, 6))
		var windows []Window
		for i := range 60 { // a session of before, in which the latency rose
			windows = append(windows, Window{Session: 1, Minutes: float64(i), P95: 20 + float64(i)})
		}
		for i := range 60 {
			s := c.statement(i)
			w := Window{Session: 2, Minutes: float64(60 + i), Speed: Speed{Work: 0.1, Statement: s}, ServerCPU: 300}
			w.P95 = c.latency(i, s) + random.NormFloat64()/10
			windows = append(windows, w)
		}
		for _, d := range Drifts(windows) {
			if d.Drifts != (c.drifts && d.Figure == "P95, ms") {
				t.Errorf("%s: %+v", name, d)
			}
		}
	}
}

// A figure that old files lack does not drift when it is first measured, and a few windows in which the speed is
// known do not hide what many others show.
func TestDriftsOfMixedFiles(t *testing.T) {
	var windows []Window
	for i := range 12 * 20 {
		w := Window{Session: 1 + i/20, Minutes: float64(i), P95: 20}
		if w.Session > 6 {
			w.ServerCPU, w.PostgresCPU, w.Speed = 300, 200, Speed{Work: 0.1, Statement: 1}
		}
		windows = append(windows, w)
	}
	for _, d := range Drifts(windows) {
		if d.Drifts {
			t.Errorf("%+v", d)
		}
	}
	windows = nil
	for i := range 63 {
		w := Window{Session: 1 + i/60, Minutes: float64(i), P95: 20 + float64(i%60)}
		if w.Session == 2 {
			w.Speed = Speed{Work: 0.1, Statement: 1 + float64(i%2)}
		}
		windows = append(windows, w)
	}
	for _, d := range Drifts(windows) {
		if d.Drifts != (d.Figure == "P95, ms") || d.Beside != 0 {
			t.Errorf("%+v", d)
		}
	}
}

// A gauge has measured when it ends, also without Postgres, and does not begin if it cannot connect.
func TestGauge(t *testing.T) {
	g, err := beginGauge(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if speed := g.end(); speed.Work <= 0 || speed.Statement != 0 {
		t.Errorf("%+v", speed)
	}
	if _, err := beginGauge(t.Context(), "postgres://nobody@127.0.0.1:1/none"); err == nil {
		t.Error("no error without a Postgres")
	}
}

// A line that is damaged is not taken for one that was cut short, and left out.
func TestWindowsFile(t *testing.T) {
	const good = `{"minutes":0,"lengthMinutes":1,"requests":7}`
	for name, c := range map[string]struct {
		text    string
		windows int
		err     string
	}{
		"nothing":               {"", 0, ""},
		"two":                   {good + "\n" + good + "\n", 2, ""},
		"no line end":           {good + "\n" + good, 2, ""},
		"cut in a number":       {good + "\n" + good[:14], 1, ""},
		"cut in a name":         {good + "\n" + good[:5], 1, ""},
		"cut, then another":     {good[:len(good)-1] + "\n" + good + "\n", 1, ""},
		"cut, then a whole":     {good[:20] + "\n\n" + good + "\n", 1, ""},
		"damaged in the middle": {good + "\n{\"minutes\x00\":1,\"requests\":7}\n" + good + "\n", 0, "line 2"},
		"not JSON":              {good + "\nSat Nov 28\n", 0, "line 2"},
		"another type":          {`{"minutes":"a","requests":1}`, 0, "line 1"},
		"another kind of line":  {`{"benchmark":"x"}` + "\n", 0, "no requests"},
		"a long line":           {good + "\n" + strings.Repeat("x", 100_000), 0, "line 2"},
	} {
		file := filepath.Join(t.TempDir(), "soak.jsonl")
		if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		windows, err := ReadWindows(file)
		if c.err == "" && (err != nil || len(windows) != c.windows) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %d windows, %v", name, len(windows), err)
		}
	}
}

// Two runs that add to one file are not one run.
func TestSoakHasItsFileAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "soak.jsonl")
	ours, err := openLog(file)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.file.Close()
	theirs, err := openLog(file)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.file.Close()
	if err := ours.append([]byte("1\n")); err != nil {
		t.Fatal(err)
	}
	if err := theirs.append([]byte("2\n")); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Error(err)
	}
	if err := ours.append([]byte("3\n")); err != nil {
		t.Error(err)
	}
}

func TestCompareHours(t *testing.T) {
	windows := func(n int, each float64) (list []Window) {
		for i := range n {
			list = append(list, Window{Session: 1 + i/500, Minutes: float64(i) * each, Length: each, Requests: 10, P95: float64(i),
				PauseMax: float64(i % 7), Heap: Heap{HeapObjects: 3 * mib, HeapUnused: mib}})
		}
		return list
	}
	busy := func(list []Window) []Window { // What something else on the machine does to a window.
		return append(list, Window{Session: 9, Minutes: float64(len(list)), Length: list[0].Length, Busy: true, P95: 1e6, Errors: 7})
	}
	for _, c := range []struct {
		n                 int
		each              float64
		minutes           float64
		firstP95, lastP95 float64
	}{
		{480, 1, 60, 29.5, 449.5}, // the first of 8 hours, and the last
		{600, 1, 60, 29.5, 469.5}, // a second session, which is shorter
		{9, 1, 4, 1.5, 6.5},       // halves
		{3, 90, 90, 0, 2},         // windows of more than an hour
	} {
		h := CompareHours(busy(windows(c.n, c.each)))
		if h.Minutes != c.minutes || h.Rows[0] != (HoursRow{"P95, ms", c.firstP95, c.lastP95}) {
			t.Errorf("%d windows: %+v", c.n, h)
		}
		for _, r := range h.Rows {
			if want := map[string]float64{"heap in use, MiB": 4, "unused in spans, MiB": 1}[r.Figure]; want > 0 && (r.First != want || r.Last != want) {
				t.Errorf("%+v", r)
			}
		}
	}
	long := windows(4, 1)
	for range 5 { // A session that is longer, and of which nothing counts.
		long = busy(long)
	}
	if h := CompareHours(long); h.Minutes != 2 || len(h.Rows) == 0 || h.Rows[0] != (HoursRow{"P95, ms", 0.5, 2.5}) {
		t.Errorf("beside a longer session on a busy machine: %+v", h)
	}
	if h := CompareHours(windows(1, 1)); h.Rows != nil {
		t.Errorf("of one window: %+v", h)
	}
	s := Summarize(busy(windows(749, 0.5)))
	if want := (SoakSummary{Minutes: 375, Sessions: 3, Longest: 250, Busy: 1, Windows: 750, Requests: 7490,
		Errors: 7, ErrorsBusy: 7, PauseMax: 6}); s != want {
		t.Errorf("%+v", s)
	}
	if text := s.String(); !strings.Contains(text, "375 minutes of load in 3 sessions, the longest of 250 minutes") ||
		!strings.Contains(text, "busy in 1 of 750 windows, which had 7 of the errors") {
		t.Error(text)
	}
	s = Summarize([]Window{
		{Code: "a", CPU: "X", Length: 1}, {Code: "b", CPU: "Y", Length: 1}, {Code: "a", CPU: "Y", Length: 1}, {Length: 1},
	})
	if text := s.String(); !strings.Contains(text, "built from a, b; on X, Y.") {
		t.Error(text)
	}
	if f := (Heap{HeapObjects: 3, HeapUnused: 1}).Fragmentation(); f != 0.25 {
		t.Error(f)
	}
	if c := SoakCharts(windows(5, 1)); len(c) != 2 || len(c[0].Series[0].Points) != 5 || c[1].Series[2].Points[4] != [2]float64{5, 4} {
		t.Errorf("%+v", c)
	}
}

func TestSoakPlan(t *testing.T) {
	for _, c := range []struct {
		plan SoakPlan
		had  int
		want int
	}{
		{SoakPlan{Window: time.Minute, Total: time.Hour}, 0, 60},
		{SoakPlan{Window: time.Minute, Total: time.Hour}, 45, 15},
		{SoakPlan{Window: time.Minute, Total: time.Hour}, 70, 0},
		{SoakPlan{Window: time.Minute, Total: time.Hour, Piece: 20 * time.Minute}, 0, 20},
		{SoakPlan{Window: time.Minute, Total: time.Hour, Piece: 20 * time.Minute}, 50, 10},
		{SoakPlan{Window: time.Minute, Total: time.Hour, Piece: time.Second}, 0, 0},
	} {
		if got := c.plan.windows(c.had); got != c.want {
			t.Errorf("%+v after %d: %d", c.plan, c.had, got)
		}
	}
	now := Window{Server: "blog", Session: 1, Length: 1, Rate: 800}
	if w, err := now.after(Window{Server: "blog", Session: 2, Minutes: 7, Length: 1, Rate: 800}); err != nil || w.Session != 3 || w.Minutes != 8 {
		t.Errorf("%+v, %v", w, err)
	}
	for _, last := range []Window{{Server: "direct", Length: 1, Rate: 800}, {Server: "blog", Length: 2, Rate: 800},
		{Server: "blog", Length: 1, Rate: 400}} {
		if _, err := now.after(last); err == nil {
			t.Errorf("%+v goes on with another run", last)
		}
	}
}

// A run that was cut short, in the middle of a line, goes on where it was.
func TestSoakGoesOn(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if len(body) < 60 { // the question how much data there is
			_, _ = io.WriteString(w, `{"data":{"totals":{"users":100,"posts":100,"comments":100}}}`)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"search":[]}}`)
	}))
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	mix, err := BlogMix().Only("search")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "soak.jsonl")
	const each = time.Second // A busy machine needs more than a moment for a request.
	length := fmt.Sprint(each.Minutes())
	if err := os.WriteFile(file, []byte("{\"minutes\":0,\"requests\":7,\"lengthMinutes\":"+length+"}\n{\"minutes\":1,\"requ"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := Config{Mix: mix, Clients: 1}
	plan := SoakPlan{Window: each, Total: 4 * each, Piece: 2 * each, File: file}
	windows, err := Soak(t.Context(), Target{Name: "fake", URL: s.URL}, c, plan, io.Discard)
	if err != nil || len(windows) != 3 || windows[0].Requests != 7 || windows[2].Requests == 0 || windows[2].Errors != 0 ||
		windows[2].Session != 1 || windows[2].Minutes <= windows[1].Minutes {
		t.Errorf("%+v, %v", windows, err)
	}
	if again, err := ReadWindows(file); err != nil || len(again) != 3 {
		t.Errorf("%d windows in the file, %v", len(again), err)
	}
	other := plan
	other.Server = "blog -scale=0.1"
	if _, err := other.Windows(c); err == nil || !strings.Contains(err.Error(), "choose another -file") {
		t.Errorf("another size of the data goes on with the same file: %v", err)
	}
	short := plan
	short.Piece = each / 2
	if _, err := Soak(t.Context(), Target{Name: "fake", URL: s.URL}, c, short, io.Discard); err == nil {
		t.Error("no error of a piece that is shorter than a window")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Soak(ctx, Target{Name: "fake", URL: s.URL}, c, plan, io.Discard); err == nil {
		t.Error("no error of a context that has ended")
	}
}
