package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What would send nothing, or never end, is refused before anything is sent.
func TestConfigIsRefused(t *testing.T) {
	open := func(rate float64, long time.Duration, a Arrivals) Config {
		return Config{Phases: []Phase{{rate, long}}, Arrivals: a, Duration: time.Second}
	}
	for name, c := range map[string]Config{
		"no clients":           {Duration: time.Second},
		"negative clients":     {Clients: -1, Duration: time.Second},
		"no duration":          {Clients: 1},
		"negative duration":    {Clients: 1, Duration: -1},
		"unknown arrivals":     open(1, time.Hour, "now and then"),
		"a phase of no time":   open(1, 0, Poisson),
		"a negative rate":      open(-1, time.Hour, Poisson),
		"no rate at all":       open(math.NaN(), time.Hour, Poisson),
		"more than every rate": open(math.Inf(1), time.Hour, Constant),
	} {
		c.URL, c.Mix, c.Totals = "http://127.0.0.1:1", fixed, totals
		if r, err := Run(t.Context(), c); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A closed loop has a connection for each client, however many they are.
func TestMoreClientsThanAnOpenLoopHas(t *testing.T) {
	url := serve(t, answerOK)
	r, err := Run(t.Context(), Config{URL: url, Mix: fixed, Totals: totals, Clients: maxInFlight + 100, Duration: time.Second, Variants: 1})
	if err != nil {
		t.Fatal(err)
	}
	for kind := range r.ErrorKinds {
		if strings.Contains(kind, "no free connections") {
			t.Errorf("errors: %v", r.ErrorKinds)
		}
	}
}

// A server that ends while it is measured has no result, however much it had answered.
func TestServerEndsMeanwhile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs a shell")
	}
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":{"totals":{"users":100,"posts":100,"comments":100}}}`)
	})
	end := filepath.Join(t.TempDir(), "end")
	script := `echo "x serving: ` + url + `/" >&2; while [ ! -e "$0" ]; do sleep 0.1; done; echo "out of memory" >&2; exit 3`
	s, err := launch(t.Context(), "fragile", "", exec.Command("sh", "-c", script, end))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Mix: fixed, Clients: 2, Duration: time.Hour}
	c.Each = func(Sent) {
		if _, err := os.Stat(end); err != nil {
			_ = os.WriteFile(end, nil, 0o644) // It was measured: now it ends.
		}
	}
	if r, err := Measure(t.Context(), s.Target, c, t.Output()); err == nil || r != nil || !strings.Contains(err.Error(), "fragile has ended") || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("%+v, %v", r, err)
	}
}

// A port that is open, with nobody who answers, does not hang a command.
func TestNobodyAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the time of a request")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := (Target{URL: "http://" + l.Addr().String()}).Totals(t.Context()); err == nil {
		t.Error("there was an answer")
	}
}

func TestNoRoundsCompareNothing(t *testing.T) {
	for _, rounds := range []int{0, -1} {
		if c, err := Compare(t.Context(), "closed", []Target{{}}, Config{}, rounds, io.Discard); err == nil {
			t.Errorf("%d rounds: %+v", rounds, c)
		}
	}
	if c, err := Compare(t.Context(), "closed", []Target{}, Config{}, 3, io.Discard); err == nil {
		t.Errorf("nobody: %+v", c)
	}
}

// The median of two rounds is between their ratios, and its result is not the better one.
func TestMedianOfTwoRounds(t *testing.T) {
	round := func(base, other float64) []*Result {
		return []*Result{{Server: "base", Throughput: base}, {Server: "other", Throughput: other}}
	}
	c := &Comparison{Rounds: [][]*Result{round(100, 300), round(100, 100)}}
	if g := c.Gains()[0].Throughput; g != (Ratio{2, 1, 3}) {
		t.Errorf("%+v", g)
	}
	if m := c.Median()[1]; m.Throughput != 100 {
		t.Errorf("%v", m.Throughput)
	}
}

// A file is whole at any time: one that cannot be written to the end stays as it was.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "below", "file")
	text := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, _ = io.WriteString(w, text)
			return err
		}
	}
	if err := WriteFile(file, text("before", nil)); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(file, text("half", io.ErrShortWrite)); err == nil {
		t.Error("no error")
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != "before" {
		t.Errorf("%q, %v", got, err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	if err := WriteFile("", text("", io.ErrShortWrite)); err != nil {
		t.Error(err)
	}
}

// An export has as many rows as its name says, or is no result.
func TestExportIsWhole(t *testing.T) {
	for rows, want := range map[int]bool{ExportRows: true, ExportRows - 1: false, 0: false} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			list := strings.TrimSuffix(strings.Repeat(`{"id":"1","body":"]}}"},`, rows), ",")
			_, _ = io.WriteString(w, `{"data":{"comments":[`+list+`]}}`)
		})
		e, err := MeasureExport(t.Context(), Target{Name: "a", URL: url})
		if want != (err == nil) || want && (e.Bytes < int64(rows) || e.Whole < e.FirstByte) {
			t.Errorf("%d rows: %+v, %v", rows, e, err)
		}
	}
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":{"comments":[`) })
	if e, err := MeasureExport(t.Context(), Target{URL: url}); err == nil {
		t.Errorf("cut short: %+v", e)
	}
}

// The median of exports is one that was measured, with the range of all.
func TestMedianExport(t *testing.T) {
	for text, wholes := range map[string][]float64{
		"20 of 20 to 20, 1":                 {20},
		"30 of 20 to 30, 2 (20 to 30)":      {30, 20}, // Not the better one.
		"20 of 10 to 90, 3 (10 to 90)":      {90, 10, 20},
		"300 of 100 to 500, 5 (100 to 500)": {500, 100, 300, 200, 400},
	} {
		var list []*Export
		for _, whole := range wholes {
			list = append(list, &Export{Whole: whole, FirstByte: whole / 2})
		}
		e := MedianExport(list)
		got := fmt.Sprintf("%v of %v to %v, %d%s", e.Whole, e.Lowest, e.Highest, e.Rounds, e.Range())
		if got != text || e.FirstByte != e.Whole/2 || list[0].Whole != wholes[0] || list[0].Rounds != 0 {
			t.Errorf("%s, want %s", got, text)
		}
		are := (&Report{Exports: []*Export{e}}).ExportsAre()
		if strings.HasPrefix(are, "one request") != (len(wholes) == 1) {
			t.Errorf("%s: %s", text, are)
		}
	}
}

// The collector has no more of the CPU than there is.
func TestGCShare(t *testing.T) {
	before := runtimeFigures{GCSeconds: 1, AllCPU: 10, IdleCPU: 5}
	for want, after := range map[float64]runtimeFigures{
		0.25: {GCSeconds: 2, AllCPU: 20, IdleCPU: 11},
		1:    {GCSeconds: 9, AllCPU: 20, IdleCPU: 11},
		0:    {GCSeconds: 2}, // The server does not tell.
	} {
		if got := after.gcShare(before); got != want {
			t.Errorf("%+v: %v, want %v", after, got, want)
		}
	}
}

// contender is one that fails in a round.
type contender struct {
	name  string
	fails int // the round, from 1
	runs  *int
}

func (c contender) String() string { return c.name }

func (c contender) Measure(context.Context, Config, io.Writer) (*Result, error) {
	if *c.runs++; *c.runs == c.fails {
		return nil, io.ErrUnexpectedEOF
	}
	return &Result{Server: c.name, Throughput: 1}, nil
}

// What the others were measured at is kept when one of them fails.
func TestAContenderIsDropped(t *testing.T) {
	for failing, want := range map[string]string{"": "a,b,c", "b": "a,c", "c": "a,b", "a": ""} {
		var list []contender
		for _, name := range []string{"a", "b", "c"} {
			c := contender{name: name, runs: new(int)}
			if name == failing {
				c.fails = 2
			}
			list = append(list, c)
		}
		var dropped []string
		drop := func(name string, why error) {
			if !errors.Is(why, io.ErrUnexpectedEOF) {
				t.Error(why)
			}
			dropped = append(dropped, name)
		}
		c, err := CompareFrom(t.Context(), "closed", list, Config{}, 0, 3, drop, io.Discard)
		if want == "" {
			if err == nil {
				t.Errorf("without the first one: %+v", c)
			}
			continue
		}
		if err != nil || len(c.Rounds) != 3 || strings.Join(dropped, "") != failing {
			t.Fatalf("%s fails: %v, dropped %v", failing, err, dropped)
		}
		for _, round := range c.Rounds {
			var names []string
			for _, r := range round {
				names = append(names, r.Server)
			}
			if strings.Join(names, ",") != want {
				t.Errorf("%s fails: %v", failing, names)
			}
		}
	}
}
