package arena

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/race"
	"github.com/gqlboost/gqlboost/internal/wait"
)

func settings() (gogc, limit int64) {
	r := readRuntime()
	return r.gogc, r.limit
}

func TestTuneGCSetsAndRestores(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := runtime.NumGoroutine()
	stop := TuneGC(GCOptions{Budget: 512 << 20, Interval: 10 * time.Millisecond})
	wait.Until(t, "the governor sets both", func() bool {
		gogc, limit := settings()
		return gogc > 100 && limit < 512<<20 && limit > 128<<20
	})
	second := TuneGC(GCOptions{Budget: 64 << 20})
	second()
	if _, limit := settings(); limit < 128<<20 {
		t.Error("a second governor took over: limit", limit)
	}
	stop()
	stop()
	if gogc, limit := settings(); gogc != 100 || limit != math.MaxInt64 {
		t.Errorf("not restored: GOGC %d, limit %d", gogc, limit)
	}
	wait.Until(t, "the goroutine ends", func() bool { return runtime.NumGoroutine() <= before })
}

func TestTuneGCFollowsTheLiveHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	const budget = 256 << 20
	defer TuneGC(GCOptions{Budget: budget, Interval: 10 * time.Millisecond})()
	wait.Until(t, "a small heap gets a high GOGC", func() bool { gogc, _ := settings(); return gogc >= 200 })
	ballast := make([][]byte, 0, 160)
	for range 160 {
		ballast = append(ballast, make([]byte, 1<<20))
	}
	runtime.GC()
	wait.Until(t, "a large one a low GOGC", func() bool { gogc, _ := settings(); return gogc < 60 })
	runtime.KeepAlive(ballast)
	runtime.GC()
	wait.Until(t, "and back", func() bool { gogc, _ := settings(); return gogc >= 100 })
}

func TestTuneGCLeavesAnOperatorsSettings(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	t.Run("GOGC in the environment", func(t *testing.T) {
		t.Setenv("GOGC", "100")
		defer TuneGC(GCOptions{Budget: 512 << 20, Interval: time.Millisecond})()
		wait.Until(t, "the limit is set", func() bool { _, limit := settings(); return limit < math.MaxInt64 })
		if gogc, _ := settings(); gogc != 100 {
			t.Error("GOGC became", gogc)
		}
	})
	t.Run("GOMEMLIMIT set by code", func(t *testing.T) {
		debug.SetMemoryLimit(100 << 20)
		defer debug.SetMemoryLimit(math.MaxInt64)
		stop := TuneGC(GCOptions{Budget: 512 << 20, Interval: time.Millisecond})
		wait.Until(t, "GOGC is set", func() bool { gogc, _ := settings(); return gogc > 100 })
		if g := governing.current.Load(); g.budget != 100<<20 {
			t.Error("the budget ignores the limit:", g.budget)
		}
		stop()
		if gogc, limit := settings(); limit != 100<<20 || gogc != 100 {
			t.Errorf("after stop: GOGC %d, limit %d", gogc, limit)
		}
	})
	t.Run("GOGC set by code while it runs", func(t *testing.T) {
		defer debug.SetGCPercent(100)
		g := newGovernor(GCOptions{Budget: 512 << 20}) // Its goroutine does not run.
		look := func() int64 { g.adjust(readRuntime(), 0); gogc, _ := settings(); return gogc }
		if gogc := look(); gogc <= 100 {
			t.Fatal("GOGC is", gogc)
		}
		debug.SetGCPercent(77)
		for range 3 {
			if gogc := look(); gogc != 77 {
				t.Error("GOGC became", gogc)
			}
		}
		g.end()
		if gogc, _ := settings(); gogc != 77 {
			t.Error("after the end GOGC became", gogc)
		}
	})
	t.Run("GOGC off", func(t *testing.T) {
		debug.SetGCPercent(-1)
		defer debug.SetGCPercent(100)
		stop := TuneGC(GCOptions{Budget: 512 << 20, Interval: time.Millisecond})
		wait.Until(t, "the limit is set", func() bool { _, limit := settings(); return limit < math.MaxInt64 })
		stop()
		if gogc, _ := settings(); gogc != -1 {
			t.Error("GOGC became", gogc)
		}
	})
}

const mib = 1 << 20

func TestPlan(t *testing.T) {
	const budget = 256 * mib
	p := newPlanner(GCOptions{Share: 0.05}, budget)
	got := p.next(runtimeState{live: 20 * mib, notHeap: 10 * mib, gc: 1, busy: 10}, 16*mib)
	if want := int64(budget - 16*mib - budget/24); got.limit != want {
		t.Errorf("limit %d, want %d", got.limit, want)
	}
	if got.gogc != 600 { // 10 % of the CPU is twice the share; 1.5 is the largest step.
		t.Errorf("GOGC %d, want 600", got.gogc)
	}
	for range 50 {
		got = p.next(runtimeState{live: 20 * mib, notHeap: 10 * mib, gc: p.lastGC + 1, busy: p.lastBusy + 10}, 16*mib)
	}
	if peak := 20 * mib * (100 + got.gogc) / 100; peak+10*mib+16*mib > budget || peak < budget/2 {
		t.Errorf("GOGC %d makes the heap peak at %d", got.gogc, peak)
	}
	for range 100 {
		got = p.next(runtimeState{live: 20 * mib, gc: p.lastGC + 0.001, busy: p.lastBusy + 10}, 0)
	}
	if got.gogc != 100 {
		t.Errorf("an idle collector leaves GOGC at %d", got.gogc)
	}
}

// A budget below the live heap is given up, reported, and taken up again.
func TestPlanWithoutRoom(t *testing.T) {
	p := newPlanner(GCOptions{}, 100*mib)
	r := runtimeState{}
	for i, c := range []struct {
		live int64
		over bool
	}{
		{live: 50}, {live: 80}, {live: 92, over: true}, {live: 200, over: true}, {live: 85, over: true},
		{live: 75, over: true}, {live: 70}, {live: 80}, {live: 95, over: true}, {live: 10},
	} {
		var got plan
		for range len(p.lives) {
			r.live, r.cycles = c.live*mib, r.cycles+1
			got = p.next(r, 0)
		}
		if (got.over != nil) != c.over {
			t.Errorf("step %d: %+v: %v", i, c, got.over)
		}
		if got.over != nil && !errors.Is(got.over, ErrBudget) {
			t.Errorf("step %d: %v", i, got.over)
		}
		if got.over == nil && (got.limit <= c.live*mib || got.gogc < minGOGC) {
			t.Errorf("step %d: %+v: %+v", i, c, got)
		}
	}
}

// One that leaves little room is given up when that costs too much, and a collection
// that finds more alive than there is changes nothing.
func TestPlanWithLittleRoom(t *testing.T) {
	p := newPlanner(GCOptions{}, 100*mib)
	r := runtimeState{live: 85 * mib}
	look := func(live int64, gc float64) bool {
		r.live, r.cycles, r.gc, r.busy = live*mib, r.cycles+1, r.gc+gc, r.busy+0.1
		return p.next(r, 0).over != nil
	}
	for i := range 100 {
		if look(85, 0.01) || i%10 != 0 && look(95, 0.01) {
			t.Fatal("given up, though it costs little")
		}
	}
	for i := range 40 {
		if over := look(85, 0.05); over != (i > 30) && (i < 28 || i > 32) {
			t.Fatalf("step %d of thrashing: given up: %v", i, over)
		}
	}
}

// With SameMemory the heap never grows beyond what GOGC=100 took at a peak.
func TestPlanSameMemory(t *testing.T) {
	p := newPlanner(GCOptions{SameMemory: true}, 1<<40)
	p.percent = maxGOGC
	step := func(live int64, at time.Duration) plan {
		p.percent = maxGOGC // The collector is busy.
		return p.next(runtimeState{live: live * mib, notHeap: 10 * mib, unused: 2 * mib, at: at}, 0)
	}
	heap := func(live int64, got plan) int64 { return live * (100 + got.gogc) / 100 }
	if got := step(50, 0); got.gogc != 100 || got.limit < 112*mib || got.limit > 118*mib {
		t.Errorf("at a peak: %+v", got)
	}
	if got := step(20, time.Second); heap(20, got) < 66 || heap(20, got) > 72 || got.limit > 118*mib {
		t.Errorf("after the peak: %+v", got)
	}
	if got := step(80, 2*time.Second); got.gogc != 100 || got.limit < 172*mib {
		t.Errorf("at a higher peak: %+v", got)
	}
	var got plan
	for i := range 600 {
		got = step(20, time.Duration(i+3)*time.Second)
	}
	if h := heap(20, got); h > 45 {
		t.Errorf("ten minutes later: %+v", got)
	}
	if got := step(0, 700*time.Second); got.gogc < 100 || got.limit < 16*mib {
		t.Errorf("without a heap: %+v", got)
	}
}

// The default budget is what the container or the machine has.
func TestDefaultBudget(t *testing.T) {
	if b := availableMemory(); b < 16<<20 {
		t.Error("available memory:", b)
	}
}

const envChild = "GQLBOOST_ARENA_CHILD"

func TestMain(m *testing.M) {
	switch child := os.Getenv(envChild); child {
	case "":
		os.Exit(m.Run())
	case "grow":
		growToBudget()
	default:
		if shape, ok := strings.CutPrefix(child, "shape "); ok {
			runShape(shape)
			return
		}
		allocate(child)
	}
}

// growToBudget fills 80 % of a budget of 256 MiB with live data while garbage is
// made all the time, and prints the largest resident size.
func growToBudget() {
	const budget = 256 << 20
	defer TuneGC(GCOptions{Budget: budget, Interval: 50 * time.Millisecond})()
	time.Sleep(100 * time.Millisecond)
	var live [][]byte
	for range budget * 8 / 10 >> 16 {
		live = append(live, make([]byte, 64<<10))
		for i := range live[len(live)-1] {
			live[len(live)-1][i] = 1
		}
		for range 200 {
			sink = make([]byte, 8<<10)
			sink[0] = 1
		}
	}
	fmt.Println(peakMemory())
	runtime.KeepAlive(live)
}

// peakMemory returns the largest resident size of the process in KiB.
func peakMemory() (kilobytes int) {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if size, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscan(size, &kilobytes)
		}
	}
	return kilobytes
}

// outcome is what a process of allocate tells: sizes in KiB.
type outcome struct{ goal, live, peak, collections, reports int }

func allocated(t *testing.T, sameMemory bool, budget, live, grown int) (o outcome) {
	child(t, fmt.Sprint(sameMemory, budget, live, grown), &o.goal, &o.live, &o.peak, &o.collections, &o.reports)
	return o
}

// allocate makes a fixed amount of garbage beside a live heap, and prints what came of it.
func allocate(how string) {
	var o GCOptions
	var liveMiB, grownMiB int
	fmt.Sscan(how, &o.SameMemory, &o.Budget, &liveMiB, &grownMiB)
	reports := make(chan error, 100)
	o.Interval, o.OnError = 10*time.Millisecond, func(err error) { reports <- err }
	fill := func(n int) (live [][]byte) {
		for range n << 4 {
			live = append(live, bytes.Repeat([]byte{1}, 64<<10))
		}
		return live
	}
	live := fill(liveMiB)
	if o.SameMemory || o.Budget > 0 {
		defer TuneGC(o)()
	}
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/heap/live:bytes"}}
	var largest outcome
	var grown [][]byte
	for round := range 40 { // 1 GiB of garbage in all
		if round%8 == 4 {
			grown = fill(grownMiB)
		} else if round%8 == 6 {
			grown = nil
		}
		for i := range 26 << 7 {
			sink = make([]byte, 8<<10)
			sink[0] = 1
			if i%64 == 0 {
				metrics.Read(goal)
				largest.goal = max(largest.goal, int(goal[0].Value.Uint64()>>10))
				largest.live = max(largest.live, int(goal[1].Value.Uint64()>>10))
			}
		}
	}
	runtime.KeepAlive(live)
	runtime.KeepAlive(grown)
	fmt.Println(largest.goal, largest.live, peakMemory(), readRuntime().cycles, len(reports))
}

var sink []byte

// child runs this test's binary for one of the cases of TestMain.
func child(t *testing.T, how string, results ...any) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	if race.Enabled {
		t.Skip("the race detector takes memory of its own")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envChild+"="+how, "GOGC=", "GOMEMLIMIT=")
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(output), results...); err != nil {
		t.Fatalf("%q: %v", output, err)
	}
}

func TestResidentMemoryStaysInTheBudget(t *testing.T) {
	var kilobytes int
	child(t, "grow", &kilobytes)
	if kilobytes < 200<<10 || kilobytes > 256<<10 {
		t.Errorf("peak resident memory: %d KiB of 256 MiB", kilobytes)
	}
}

// Whether the collector thrashes shows in the number of collections for the same work, which
// no other process changes.
func TestBudgetBelowTheLiveHeap(t *testing.T) {
	for _, c := range []struct {
		budget, live, grown int
		fits, never         bool
	}{
		{8 * mib, 20, 0, false, true},
		{22 * mib, 20, 0, false, true}, // It is not only for the heap.
		{100 * mib, 20, 0, true, false},
		{80 * mib, 20, 80, false, false}, // Five times it does not, for a time.
	} {
		plain := allocated(t, false, 0, c.live, c.grown)
		got := allocated(t, false, c.budget, c.live, c.grown)
		t.Logf("%+v: without a budget %+v, with %+v", c, plain, got)
		if got.collections > 2*plain.collections+30+5*len(planner{}.lives) {
			t.Errorf("%+v: %d collections, %d without a budget", c, got.collections, plain.collections)
		}
		if c.never && got.reports == 0 || c.fits && got.reports > 0 {
			t.Errorf("%+v: %d reports", c, got.reports)
		}
	}
}

// What GOGC=100 lets the heap grow to follows from the largest live heap that the
// runtime has seen, however busy the machine is.
func TestSameMemory(t *testing.T) {
	for _, c := range []struct{ live, grown int }{{4, 0}, {20, 0}, {100, 0}, {10, 40}} {
		plain := allocated(t, false, 0, c.live, c.grown)
		got := allocated(t, true, 0, c.live, c.grown)
		t.Logf("%+v: GOGC=100 %+v, SameMemory %+v", c, plain, got)
		if limit := got.live*21/10 + 5<<10; got.goal > limit {
			t.Errorf("%+v: the heap's goal was %d KiB with %d KiB alive", c, got.goal, got.live)
		}
		if got.collections > 2*plain.collections+10 {
			t.Errorf("%+v: %d collections, with GOGC=100 %d", c, got.collections, plain.collections)
		}
	}
}
