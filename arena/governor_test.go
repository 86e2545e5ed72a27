package arena

import (
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/race"
)

func settings() (gogc, limit int64) {
	r := readRuntime()
	return r.gogc, r.limit
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			gogc, limit := settings()
			t.Fatalf("%s: GOGC %d, limit %d", what, gogc, limit)
		}
	}
}

func TestTuneGCSetsAndRestores(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := runtime.NumGoroutine()
	stop := TuneGC(GCOptions{Budget: 512 << 20, Interval: 10 * time.Millisecond})
	eventually(t, "the governor sets both", func() bool {
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
	eventually(t, "the goroutine ends", func() bool { return runtime.NumGoroutine() <= before })
}

func TestTuneGCFollowsTheLiveHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	const budget = 256 << 20
	defer TuneGC(GCOptions{Budget: budget, Interval: 10 * time.Millisecond})()
	eventually(t, "a small heap gets a high GOGC", func() bool { gogc, _ := settings(); return gogc >= 200 })
	ballast := make([][]byte, 0, 160)
	for range 160 {
		ballast = append(ballast, make([]byte, 1<<20))
	}
	runtime.GC()
	eventually(t, "a large one a low GOGC", func() bool { gogc, _ := settings(); return gogc < 60 })
	runtime.KeepAlive(ballast)
	ballast = nil
	runtime.GC()
	eventually(t, "and back", func() bool { gogc, _ := settings(); return gogc >= 100 })
}

func TestTuneGCLeavesAnOperatorsSettings(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	t.Run("GOGC in the environment", func(t *testing.T) {
		t.Setenv("GOGC", "100")
		defer TuneGC(GCOptions{Budget: 512 << 20, Interval: time.Millisecond})()
		eventually(t, "the limit is set", func() bool { _, limit := settings(); return limit < math.MaxInt64 })
		if gogc, _ := settings(); gogc != 100 {
			t.Error("GOGC became", gogc)
		}
	})
	t.Run("GOMEMLIMIT set by code", func(t *testing.T) {
		debug.SetMemoryLimit(100 << 20)
		defer debug.SetMemoryLimit(math.MaxInt64)
		stop := TuneGC(GCOptions{Budget: 512 << 20, Interval: time.Millisecond})
		eventually(t, "GOGC is set", func() bool { gogc, _ := settings(); return gogc > 100 })
		if g := governing.current.Load(); g.budget != 100<<20 {
			t.Error("the budget ignores the limit:", g.budget)
		}
		stop()
		if gogc, limit := settings(); limit != 100<<20 || gogc != 100 {
			t.Errorf("after stop: GOGC %d, limit %d", gogc, limit)
		}
	})
	t.Run("GOGC set by code while it runs", func(t *testing.T) {
		stop := TuneGC(GCOptions{Budget: 512 << 20, Interval: time.Millisecond})
		eventually(t, "GOGC is set", func() bool { gogc, _ := settings(); return gogc > 100 })
		debug.SetGCPercent(77)
		time.Sleep(50 * time.Millisecond)
		runtime.GC()
		time.Sleep(50 * time.Millisecond)
		stop()
		if gogc, _ := settings(); gogc != 77 {
			t.Error("GOGC became", gogc)
		}
		debug.SetGCPercent(100)
	})
	t.Run("GOGC off", func(t *testing.T) {
		debug.SetGCPercent(-1)
		defer debug.SetGCPercent(100)
		stop := TuneGC(GCOptions{Budget: 512 << 20, Interval: time.Millisecond})
		eventually(t, "the limit is set", func() bool { _, limit := settings(); return limit < math.MaxInt64 })
		stop()
		if gogc, _ := settings(); gogc != -1 {
			t.Error("GOGC became", gogc)
		}
	})
}

func TestAdjust(t *testing.T) {
	const budget = 256 << 20
	fresh := func() *governor {
		g := &governor{budget: budget, share: 0.05, percent: 400}
		for _, k := range []*knob{&g.gogc, &g.limit} {
			k.ours, k.set = true, func(int64) int64 { return k.last }
		}
		return g
	}
	g := fresh()
	g.adjust(runtimeState{live: 20 << 20, notHeap: 10 << 20, gc: 1, busy: 10}, 16<<20)
	if want := int64(budget - 16<<20 - budget/24); g.limit.last != want {
		t.Errorf("limit %d, want %d", g.limit.last, want)
	}
	if g.gogc.last != 600 { // 10 % of the CPU is twice the share; 1.5 is the largest step.
		t.Errorf("GOGC %d, want 600", g.gogc.last)
	}
	for range 50 {
		g.adjust(runtimeState{live: 20 << 20, notHeap: 10 << 20, gc: g.lastGC + 1, busy: g.lastBusy + 10}, 16<<20)
	}
	if peak := 20 << 20 * (100 + g.gogc.last) / 100; peak+10<<20+16<<20 > budget {
		t.Errorf("GOGC %d makes the heap peak at %d", g.gogc.last, peak)
	}
	for range 100 {
		g.adjust(runtimeState{live: 20 << 20, gc: g.lastGC + 0.001, busy: g.lastBusy + 10}, 0)
	}
	if g.gogc.last != 100 {
		t.Errorf("an idle collector leaves GOGC at %d", g.gogc.last)
	}
	g = fresh()
	g.adjust(runtimeState{live: 240 << 20, notHeap: 10 << 20}, 300<<20)
	if g.gogc.last != minGOGC || g.limit.last < budget/4 {
		t.Errorf("without memory: GOGC %d, limit %d", g.gogc.last, g.limit.last)
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
	if os.Getenv(envChild) != "" {
		growToBudget()
		return
	}
	os.Exit(m.Run())
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
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		println("0")
		return
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM:") {
			os.Stdout.WriteString(strings.Fields(line)[1])
		}
	}
	runtime.KeepAlive(live)
}

var sink []byte

func TestResidentMemoryStaysInTheBudget(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	if race.Enabled {
		t.Skip("the race detector takes memory of its own")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envChild+"=1", "GOGC=", "GOMEMLIMIT=")
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var kilobytes int
	for _, c := range output {
		kilobytes = kilobytes*10 + int(c-'0')
	}
	if kilobytes < 200<<10 || kilobytes > 256<<10 {
		t.Errorf("peak resident memory: %d KiB of 256 MiB", kilobytes)
	}
}
