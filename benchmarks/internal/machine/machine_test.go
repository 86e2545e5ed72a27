package machine

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func write(t *testing.T, stat, load, pressure string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "pressure"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"stat": stat, "loadavg": load, "pressure/cpu": pressure} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const before = "cpu  1000 100 500 8000 10 5 15 20 0 0\ncpu0 1 2 3\n"

func TestConditions(t *testing.T) {
	// 2 cores for 10 s are 2000 ticks.
	for name, c := range map[string]struct {
		after, pressure string
		used            time.Duration
		want            string
		steal, others   float64
		waiting         float64
	}{
		"quiet":     {"cpu 2000 100 1000 8400 10 10 110 20 0 0\n", "some avg10=1 avg60=1 avg300=1 total=7000000\nfull total=9\n", 14500 * time.Millisecond, "quiet", 0, 0.025, 0.6},
		"others":    {"cpu 2000 100 1000 8400 10 10 110 20 0 0\n", "", 5 * time.Second, "busy: other processes used 50 % of the CPU", 0, 0.5, 0},
		"steal":     {"cpu 2000 100 1000 8000 10 5 15 520 0 0\n", "", 15 * time.Second, "busy: other machines took 25 % of the CPU", 0.25, 0, 0},
		"both":      {"cpu 2000 100 1000 8000 10 5 15 520 0 0\n", "", 10 * time.Second, "busy: other processes used 25 % of the CPU, other machines took 25 % of the CPU", 0.25, 0.25, 0},
		"more ours": {"cpu 2000 100 1000 8400 10 10 110 20 0 0\n", "", time.Minute, "quiet", 0, 0, 0},
	} {
		start := time.Unix(100, 0)
		a := read(write(t, before, "3.50 2 1 1/2 3\n", "some avg10=1 avg60=1 avg300=1 total=1000000\n"), start)
		b := read(write(t, c.after, "", c.pressure), start.Add(10*time.Second))
		got := b.Since(a, c.used)
		if got == nil || got.String() != c.want || got.Busy() == (c.want == "quiet") || got.Load != 3.5 ||
			!near(got.Steal, c.steal) || !near(got.Others, c.others) || !near(got.Waiting, c.waiting) {
			t.Errorf("%s: %+v, %v", name, got, got)
		}
	}
}

func TestTaken(t *testing.T) {
	const before = "cpu 0 0 0 0 0 0 0 0 0 0\ncpu0 100 10 20 5 0 0 0 0 0 0\ncpu1 100 0 0 0 0 0 0 0 0 0\nintr 1 2 3 4 5 6 7 8 9\n"
	// In 10 s: 5 s of processes, 1 s of interrupts and 2 s of steal on the first core, 9 s on the second.
	const after = "cpu 1 0 0 0 0 0 0 0 0 0\ncpu0 400 110 120 5 0 0 100 200 0 0\ncpu1 900 0 100 0 0 0 0 0 0 0\nintr 1 2 3 4 5 6 7 8 9\n"
	start := time.Unix(100, 0)
	a, b := read(write(t, before, "", ""), start), read(write(t, after, "", ""), start.Add(10*time.Second))
	for _, c := range []struct {
		cores []int
		used  time.Duration
		want  float64
	}{
		{[]int{0}, 0, 0.7}, {[]int{1}, 0, 0.9}, {[]int{0, 1}, 0, 1.6}, {[]int{0, 1}, 6 * time.Second, 1},
		{[]int{0}, time.Minute, 0}, {nil, 0, 0}, {[]int{7}, 0, 0},
	} {
		if got := b.Taken(a, c.cores, c.used); !near(got, c.want) {
			t.Errorf("%v, used %v: %v, want %v", c.cores, c.used, got, c.want)
		}
	}
	var none *Reading
	if a.Taken(a, []int{0}, 0) != 0 || none.Taken(a, []int{0}, 0) != 0 || a.Taken(none, []int{0}, 0) != 0 {
		t.Error("something was taken in no time")
	}
}

func near(a, b float64) bool { return a > b-0.001 && a < b+0.001 }

func TestNothingToRead(t *testing.T) {
	if r := read(filepath.Join(t.TempDir(), "none"), time.Now()); r != nil {
		t.Errorf("%+v", r)
	}
	for _, stat := range []string{"", "intr 1 2 3 4 5 6 7 8 9\n", "cpu 1 2 3\n", "cpu a b c d e f g h\n"} {
		if r := read(write(t, stat, "", ""), time.Now()); r != nil {
			t.Errorf("%q: %+v", stat, r)
		}
	}
	var none *Reading
	if c := none.Since(nil, 0); c != nil || c.Busy() || c.String() != "not recorded" {
		t.Errorf("%v", c)
	}
	same := read(write(t, before, "", ""), time.Now())
	if c := same.Since(same, 0); c != nil {
		t.Errorf("conditions of no time: %v", c)
	}
}

func TestWorst(t *testing.T) {
	got := Worst(nil, &Conditions{Steal: 0.1, Load: 1}, &Conditions{Others: 0.2, Load: 3, Waiting: 0.5}, nil)
	if want := (Conditions{Steal: 0.1, Others: 0.2, Load: 3, Waiting: 0.5}); got == nil || *got != want {
		t.Errorf("%+v", got)
	}
	if Worst() != nil || Worst(nil) != nil {
		t.Error("conditions of nothing")
	}
	if got := Worst(&Conditions{OthersUnknown: true}, new(Conditions)); !got.OthersUnknown {
		t.Error("what was not recorded once is taken for recorded")
	}
}

func TestFigures(t *testing.T) {
	for want, c := range map[string]*Conditions{
		"not recorded": nil,
		"load average 9.2 before the run, 0.11 % of the CPU time stolen during it":                                {Steal: 0.0011, Load: 9.22, OthersUnknown: true},
		"load average 0.0 before the run, 3.00 % of the CPU time stolen during it, 4.5 % used by other processes": {Steal: 0.03, Others: 0.045},
	} {
		if got := c.Figures(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (&Conditions{OthersUnknown: true}).String(); got != "other processes not recorded" {
		t.Errorf("%q", got)
	}
}

// On the machine that runs the test: a process that computes all the time is either counted as
// ours or as another's.
func TestRead(t *testing.T) {
	if _, err := os.Stat("/proc/stat"); err != nil {
		t.Skip("there is no /proc/stat")
	}
	a := Read()
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
	}
	c := Read().Since(a, 0)
	if c == nil {
		t.Skip("this kernel does not count")
	}
	if c.Others <= 0 && c.Steal <= 0 || c.Others > 1 || c.Steal > 1 || c.Waiting > 1 {
		t.Errorf("%+v", c)
	}
}
