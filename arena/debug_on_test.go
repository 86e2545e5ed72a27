//go:build gqlboost_debug

package arena

import (
	"strings"
	"testing"

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
	a.guard.enter() // As another goroutine would be inside.
	mustPanic(t, "concurrent use", func() { Alloc[int](a) })
}

func TestDoublePutIsNoticed(t *testing.T) {
	var p Buffers
	b := p.Get(100)
	p.Put(b)
	mustPanic(t, "in the pool already", func() { p.Put(b) })
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
