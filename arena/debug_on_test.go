//go:build gqlboost_debug

package arena

import (
	"strings"
	"testing"

	"github.com/valyala/bytebufferpool"

	"github.com/gqlboost/gqlboost/internal/race"
)

const debugBuild = true

func mustPanic(t *testing.T, part string, f func()) {
	t.Helper()
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, part) {
			t.Errorf("panic %q, want %q in it", p, part)
		}
	}()
	f()
}

func TestStaleReadsAreLoud(t *testing.T) {
	a := New()
	defer a.Free()
	s := a.String([]byte("hello"))
	numbers := Slice[uint32](a, 2, 2)
	n := Alloc[node](a)
	n.children = []*node{n}
	a.Reset()
	a.String([]byte("other")) // Must not hide it.
	if s != "\xdb\xdb\xdb\xdb\xdb" || numbers[1] != 0xDBDBDBDB || n.children != nil {
		t.Errorf("after Reset: %q %x %v", s, numbers, n)
	}
}

func TestConcurrentUseIsNoticed(t *testing.T) {
	a := New()
	a.memory.Load().guard.enter() // As another goroutine would be inside.
	mustPanic(t, "concurrent use", func() { Alloc[int](a) })
}

// reports returns what f makes the debug build report.
func reports(f func()) (all []string) {
	defer func(old func(string)) { report = old }(report)
	report = func(message string) { all = append(all, message) }
	f()
	return all
}

func freeTwice(a *Arena) { a.Free(); a.Free() }

func TestSecondCallsAreReported(t *testing.T) {
	var buffers Buffers
	pool := Pool[request]{Reset: func(*request) {}}
	for what, f := range map[string]func(){
		"second Free of an Arena": func() { freeTwice(New()) },
		"second Put of a buffer": func() {
			b := buffers.Get(100)
			buffers.Put(b)
			buffers.Put(b)
		},
		"second Put": func() {
			v := pool.Get()
			pool.Put(v)
			pool.Put(v)
		},
	} {
		got := reports(f)
		if len(got) != 1 || !strings.Contains(got[0], what) {
			t.Errorf("%s: reported %q", what, got)
			continue
		}
		// Both calls are named by their stacks.
		if strings.Count(got[0], "debug_on_test.go") < 2 || strings.Contains(got[0], "unknown") {
			t.Errorf("%s: not both stacks:\n%s", what, got[0])
		}
	}
	if got := reports(func() { buffers.Put(new(bytebufferpool.ByteBuffer)); New().Free() }); len(got) != 0 {
		t.Errorf("reported what is allowed: %q", got)
	}
}

func TestUseAfterPutIsNoticed(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops values under the race detector")
	}
	var p Buffers
	b := p.Get(100)
	stale := b.B[:10]
	p.Put(b)
	stale[3] = 'x'
	mustPanic(t, "written to after Put", func() { p.Get(100) })
}
