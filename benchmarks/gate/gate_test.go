package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	steady := []float64{100, 101, 99, 100, 102, 98, 100, 101, 99, 100}
	times := func(f float64) (list []float64) {
		for _, v := range steady {
			list = append(list, v*f)
		}
		return list
	}
	wild := []float64{60, 150, 100, 240, 80, 130, 90, 200, 70, 110}
	for _, c := range []struct {
		name, unit string
		a, b       []float64
		worse      bool
	}{
		{"the same", timeUnit, steady, steady, false},
		{"faster", timeUnit, steady, times(0.5), false},
		{"within the limit", timeUnit, steady, times(1.08), false},
		{"slower", timeUnit, steady, times(1.2), true},
		{"wild", timeUnit, wild, append([]float64{120}, wild[1:]...), false},
		{"too few", timeUnit, steady[:3], times(2)[:3], false},
		{"one more allocation", allocsUnit, []float64{3, 3, 3}, []float64{4, 4, 4}, true},
		{"sometimes one more", allocsUnit, []float64{3, 4, 3}, []float64{4, 4, 4}, false},
		{"one less", allocsUnit, []float64{3}, []float64{2}, false},
		{"more bytes", bytesUnit, []float64{1000, 1001}, []float64{1100, 1101}, true},
		{"a byte more", bytesUnit, []float64{1000, 1001}, []float64{1002, 1003}, false},
	} {
		if v := judge(benchmark{"p", "B"}, c.unit, c.a, c.b, 1.1); v.worse != c.worse {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
	l := limits{usual: 1.1, own: []limit{{regexp.MustCompile("^Noisy"), 3}}}
	if v := judge(benchmark{"p", "Noisy/x"}, timeUnit, steady, times(2), l.of("Noisy/x")); v.worse {
		t.Error("a limit of its own is not kept")
	}
}

// A machine that does other things at times takes up to five times as long in a fifth of the runs,
// of either version: that is no reason to complain, and a version that takes three times as long
// is noticed all the same.
func TestJudgeOnABusyMachine(t *testing.T) {
	const trials, rounds = 2000, 10
	random := rand.New(rand.NewPCG(1, 2))
	runs := func(time float64) (list []float64) {
		for range rounds {
			busy := 1.0
			if random.IntN(5) == 0 {
				busy += 4 * random.Float64()
			}
			list = append(list, time*busy*(1+0.1*random.Float64()))
		}
		return list
	}
	// twice is what the gate does: it measures again what may be worse.
	twice := func(time float64) bool {
		return judge(benchmark{"p", "B"}, timeUnit, runs(100), runs(time), 1.1).suspect &&
			judge(benchmark{"p", "B"}, timeUnit, append(runs(100), runs(100)...), append(runs(time), runs(time)...), 1.1).worse
	}
	alarms, found, slower, confirmed := 0, 0, 0, 0
	for range trials {
		if twice(150) {
			slower++
		}
		if twice(100) {
			confirmed++
		}
		if judge(benchmark{"p", "B"}, timeUnit, runs(100), runs(100), 1.1).worse {
			alarms++
		}
		if judge(benchmark{"p", "B"}, timeUnit, runs(100), runs(300), 1.1).worse {
			found++
		}
	}
	// What looks worse is measured again, so that an alarm must come twice.
	if alarms > trials/500 || found < trials/2 {
		t.Errorf("of %d: %d false alarms, %d of three times as slow found", trials, alarms, found)
	}
	if confirmed > 0 || slower < trials/2 {
		t.Errorf("of %d: %d false alarms that came twice, %d of half as slow again found", trials, confirmed, slower)
	}
}

// repository makes a module with benchmarks, committed as it is. Their time is no clock's:
// each reports the work that it has done, give or take a fiftieth, because the clock of a
// busy machine says nothing that a test can rely on.
func repository(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, dir, "go.mod", "module example.com/m\n\ngo 1.26\n")
	write(t, dir, "work.go", source(100, 0))
	write(t, dir, "work_test.go", `package m

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkWork(b *testing.B) {
	for _, name := range []string{"a", "b/c"} {
		b.Run("case="+name, func(b *testing.B) {
			steps := 0
			for b.Loop() {
				steps += Work()
			}
			b.ReportMetric(float64(steps)/float64(b.N)*(0.98+0.04*rand.Float64()), "ns/op")
		})
	}
}
`)
	git(t, dir, "init", "-q")
	commit(t, dir)
	t.Chdir(dir)
	return dir
}

func commit(t *testing.T, dir string) {
	t.Helper()
	git(t, dir, "add", ".")
	git(t, dir, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "x")
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", args, out)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// source works for some steps, which it returns, and allocates.
func source(steps, allocations int) string {
	return fmt.Sprintf(`package m

var Sink []byte

func Work() (steps int) {
	for range %d {
		steps++
	}
	for range %d {
		Sink = make([]byte, 64)
	}
	return steps
}
`, steps, allocations)
}

// newGate runs benchmarks for a number of times, however long that takes.
func newGate(rounds int) *gate {
	return &gate{base: "HEAD", packages: "./...", bench: ".", rounds: rounds, benchtime: "1000x",
		limits: limits{usual: 1.1}, gone: regexp.MustCompile("^$")}
}

// A version against itself is never worse, and each planted change is found.
func TestGate(t *testing.T) {
	dir := repository(t)
	for i := range 3 {
		if err := newGate(8).run(t.Context()); err != nil {
			t.Fatalf("run %d of a version against itself: %v", i, err)
		}
	}
	write(t, dir, "work.go", source(150, 0))
	if err := newGate(8).run(t.Context()); !errors.Is(err, errWorse) {
		t.Errorf("half as slow again: %v", err)
	}
	write(t, dir, "work.go", source(100, 1))
	if err := newGate(8).run(t.Context()); !errors.Is(err, errWorse) {
		t.Errorf("one more allocation: %v", err)
	}
	write(t, dir, "work.go", source(50, 0))
	if err := newGate(8).run(t.Context()); err != nil {
		t.Errorf("faster: %v", err)
	}
	write(t, dir, "work.go", "package m\n\nfunc Work( {}\n")
	if err := newGate(8).run(t.Context()); err == nil || errors.Is(err, errWorse) {
		t.Errorf("what does not compile: %v", err)
	}
	g := newGate(8)
	g.base = "nothing"
	if err := g.run(t.Context()); err == nil || errors.Is(err, errWorse) {
		t.Errorf("without a base: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newGate(8).run(ctx); err == nil {
		t.Error("no error of a context that has ended")
	}
	if out, err := exec.Command("git", "worktree", "list").Output(); err != nil || strings.Count(string(out), "\n") != 1 {
		t.Errorf("worktrees are left: %s", out)
	}
}

// Packages may have benchmarks of one name: each has figures of its own.
func TestGateOfTwoPackages(t *testing.T) {
	dir := repository(t)
	text, err := os.ReadFile(filepath.Join(dir, "work_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	// The second one takes so long that the first one's share is lost beside it.
	for _, name := range []string{"other", "third"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name+"/work.go", source(10_000, 0))
		write(t, dir, name+"/work_test.go", string(text))
	}
	commit(t, dir)
	if err := newGate(8).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "work.go", source(150, 0))
	if err := newGate(8).run(t.Context()); !errors.Is(err, errWorse) {
		t.Errorf("one of three packages is slower: %v", err)
	}
}

// A benchmark that is gone, or skipped, is no proof.
func TestGateOfABenchmarkThatIsGone(t *testing.T) {
	dir := repository(t)
	text, err := os.ReadFile(filepath.Join(dir, "work_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "work_test.go", strings.Replace(string(text), "steps := 0", `if name == "a" { b.Skip("slow") }
			steps := 0`, 1))
	if err := newGate(8).run(t.Context()); !errors.Is(err, errWorse) {
		t.Errorf("skipped: %v", err)
	}
	write(t, dir, "work_test.go", strings.Replace(string(text), "case=", "name=", 1))
	if err := newGate(8).run(t.Context()); err == nil {
		t.Errorf("all renamed: %v", err)
	}
	write(t, dir, "work_test.go", strings.Replace(string(text), `"b/c"`, `"b"`, 1))
	g := newGate(8)
	if err := g.run(t.Context()); !errors.Is(err, errWorse) {
		t.Errorf("one renamed: %v", err)
	}
	g.gone = regexp.MustCompile("^Work/case=b/c")
	if err := g.run(t.Context()); err != nil {
		t.Errorf("one renamed, as it may be: %v", err)
	}
}

func TestRatio(t *testing.T) {
	for _, c := range []struct{ before, after, want float64 }{{0, 0, 1}, {2, 1, 0.5}, {0, 1, math.Inf(1)}} {
		if got := (verdict{before: c.before, after: c.after}).ratio(); got != c.want {
			t.Errorf("%v to %v: %v", c.before, c.after, got)
		}
	}
}

// A command that is told to end leaves no worktree and no folder.
func TestGateIsTerminated(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	binary := filepath.Join(t.TempDir(), "gate")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	repository(t)
	scratch := t.TempDir()
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		cmd := exec.Command(binary, "-base", "HEAD", "-rounds", "1000")
		cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(2 * time.Minute)
		for time.Now().Before(deadline) { // until it measures
			if found, _ := filepath.Glob(filepath.Join(scratch, "gqlboost-gate-*", "after", "*.test")); len(found) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%v: %v", signal, err)
		}
		if left, _ := filepath.Glob(filepath.Join(scratch, "gqlboost-gate-*")); len(left) > 0 {
			t.Errorf("after %v there is %v", signal, left)
		}
		if out, err := exec.Command("git", "worktree", "list").Output(); err != nil || strings.Count(string(out), "\n") != 1 {
			t.Errorf("worktrees are left after %v: %s", signal, out)
		}
	}
}

func TestLimits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "limits.json")
	if err := os.WriteFile(file, []byte(`{"^Hit": 1.3, "^Hit/slow": 2}`), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := readLimits(file, 1.1)
	if err != nil || l.of("Hit/slow/x") != 2 || l.of("Hit/x") != 1.3 || l.of("Other") != 1.1 {
		t.Errorf("%+v, %v", l, err)
	}
	for _, bad := range []string{"{", `{"(": 1}`, `{"Hit": 0.9}`} {
		if err := os.WriteFile(file, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readLimits(file, 1.1); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
