package arena

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/valyala/bytebufferpool"

	"github.com/gqlboost/gqlboost/internal/race"
)

func TestSecondFreeIsHarmless(t *testing.T) {
	quiet(t)
	for range 100 {
		a := New()
		a.Free()
		b := New()
		a.Free()
		c := New()
		first, second := Alloc[int64](b), Alloc[int64](c)
		*first, *second = 1, 2
		if first == second || *first != 1 {
			t.Fatal("two live arenas share memory")
		}
		b.Free()
		c.Free()
		a.Free()
	}
}

// A freed arena, as a nil and a zero one, allocates on the heap.
func TestUseAfterFree(t *testing.T) {
	quiet(t)
	freed := New()
	kept := Alloc[int](freed)
	_ = kept
	freed.Free()
	owner := New()
	defer owner.Free()
	for _, a := range []*Arena{freed, nil, new(Arena)} {
		a.SetLimit(1 << 10)
		a.Reset()
		text, list := a.String([]byte("mine")), Append(a, Slice[int](a, 1, 2), 2, 3)
		p, b := Alloc[int](a), a.Bytes([]byte("bytes"))
		for range 100 {
			*Alloc[int](owner) = -1
			owner.String([]byte("theirs"))
			Append(owner, Slice[int](owner, 2, 2), -1)
		}
		if text != "mine" || *p != 0 || string(b) != "bytes" || len(list) != 3 || list[2] != 3 {
			t.Errorf("%q %v %d %q", text, list, *p, b)
		}
		if s := a.Stats(); s != (ArenaStats{}) {
			t.Errorf("stats: %+v", s)
		}
		a.Free()
	}
}

// quiet keeps what the debug build reports out of the output of a test.
func quiet(t *testing.T) {
	old := report
	report = func(string) {}
	t.Cleanup(func() { report = old })
}

func concurrently(f func()) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(f)
	}
	wg.Wait()
}

// Many calls at once count as one, also under the race detector.
func TestConcurrentSecondCalls(t *testing.T) {
	quiet(t)
	var buffers Buffers
	pool := Pool[request]{Reset: func(r *request) { r.fields = r.fields[:0] }}
	for range 300 {
		a, b, v := New(), buffers.Get(1000), pool.Get()
		v.fields = append(v.fields, "x")
		b.B = append(b.B, "some bytes"...)
		before := counters.freed.Load()
		concurrently(func() {
			a.Free()
			buffers.Put(b)
			pool.Put(v)
		})
		if n := counters.freed.Load() - before; n != 1 {
			t.Fatal("arenas freed:", n)
		}
		first, second := buffers.Get(1000), buffers.Get(1000)
		if unsafe.SliceData(first.B) == unsafe.SliceData(second.B) {
			t.Fatal("one buffer was put several times")
		}
		buffers.Put(first)
		if b.B != nil || v.fields != nil {
			t.Fatal("the handles are not empty")
		}
	}
}

func TestSecondPutLongAfter(t *testing.T) {
	quiet(t)
	var p Buffers
	a := p.Get(1000)
	a.B = append(a.B, "first"...)
	p.Put(a)
	b := p.Get(1000)
	p.Put(a)
	c := p.Get(1000)
	a.B = append(a.B, "after Put"...)
	if unsafe.SliceData(b.B) == unsafe.SliceData(c.B) || unsafe.SliceData(a.B) == unsafe.SliceData(b.B) {
		t.Fatal("two owners share a buffer")
	}
	p.Put(a) // It has memory of its own now, which nobody else has.
	d := p.Get(100)
	for _, other := range []*bytebufferpool.ByteBuffer{b, c} {
		if unsafe.SliceData(other.B) == unsafe.SliceData(d.B) {
			t.Fatal("two owners share a buffer")
		}
	}
	// A copy of the handle has the memory as well: as long as that is in the pool, the
	// pool knows.
	copied := *d
	p.Put(d)
	p.Put(&copied)
	if e, f := p.Get(100), p.Get(100); unsafe.SliceData(e.B) == unsafe.SliceData(f.B) {
		t.Fatal("two owners share a buffer")
	}
}

func TestSecondPutOfAPooledValue(t *testing.T) {
	quiet(t)
	p := Pool[request]{
		New:   func() *request { return &request{fields: make([]string, 0, 4)} },
		Reset: func(r *request) { r.fields = r.fields[:0] },
	}
	a := p.Get()
	a.fields = append(a.fields, "a")
	p.Put(a)
	b := p.Get()
	p.Put(a)
	c := p.Get()
	b.fields, c.fields = append(b.fields, "b"), append(c.fields, "c")
	a.fields = append(a.fields, "stale")
	if b == c || b.fields[0] != "b" || c.fields[0] != "c" {
		t.Fatal("two owners share a value:", b, c)
	}
	p.Put(a)
	if d := p.Get(); len(d.fields) != 0 || cap(d.fields) < 4 || d == a || d == b || d == c {
		t.Fatalf("not as New makes it: %+v", d)
	}
	if s := p.Stats(); s.Dropped != 2 {
		t.Errorf("stats: %+v", s)
	}
}

func TestNothingIsAllocatedInSteadyState(t *testing.T) {
	if race.Enabled || debugBuild {
		t.Skip("sync.Pool drops values under the race detector")
	}
	var buffers Buffers
	pool := Pool[request]{Reset: func(r *request) { r.fields = r.fields[:0] }}
	for what, f := range map[string]func(){
		"arena":   func() { a := New(); Alloc[int](a); a.Free() },
		"buffers": func() { b := buffers.Get(1000); b.B = append(b.B, 1); buffers.Put(b) },
		"unknown": func() { b := buffers.Get(300); b.B = append(b.B, make([]byte, 2000)...); buffers.Put(b) },
		"pool":    func() { v := pool.Get(); v.fields = append(v.fields, "x"); pool.Put(v) },
	} {
		for range 100 {
			f()
		}
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

// TestOwnersNeverMeet runs random sequences of Get, Put and Put again, New, Alloc, Free
// and Free again in 16 goroutines, with handles that are used long after they were given
// back, by others as well. Each owner writes canaries into what it has, and must find
// them there as long as it has it.
func TestOwnersNeverMeet(t *testing.T) {
	quiet(t)
	steps := 200_000
	switch {
	case os.Getenv("GQLBOOST_LONG") != "":
		steps = 10_000_000
	case race.Enabled || debugBuild:
		steps = 4_000
	}
	s := &strangers{pool: Pool[canaries]{Reset: func(c *canaries) { clear(c.list) }}}
	s.buffers.MaxRetained = 16 << 20
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			o := &owner{t: t, strangers: s, random: rand.New(rand.NewPCG(uint64(g), 7)), id: uint64(g+1) << 32}
			for range steps / 16 {
				o.step()
			}
			o.checkAll()
		})
	}
	wg.Wait()
}

// strangers share pools, and keep handles that were given back.
type strangers struct {
	buffers Buffers
	pool    Pool[canaries]

	mu     sync.Mutex
	stale  [64]*bytebufferpool.ByteBuffer
	freed  [64]*Arena
	values [64]*canaries
}

type canaries struct{ list []uint64 }

type owned struct {
	buffer *bytebufferpool.ByteBuffer
	arena  *Arena
	value  *canaries
	words  []uint64 // of the arena
	bytes  []byte   // of the arena
	canary uint64
}

type owner struct {
	t *testing.T
	*strangers
	random *rand.Rand
	id     uint64
	has    []owned
}

func (o *owner) canary() uint64 { o.id++; return o.id }

func (o *owner) step() {
	switch op := o.random.IntN(10); {
	case op < 2 && len(o.has) < 8:
		o.has = append(o.has, o.getBuffer())
	case op < 3 && len(o.has) < 8:
		v := owned{value: o.pool.Get(), canary: o.canary()}
		v.value.list = v.value.list[:0]
		for range o.random.IntN(100) {
			v.value.list = append(v.value.list, v.canary)
		}
		o.has = append(o.has, v)
	case op < 5 && len(o.has) < 8:
		a := owned{arena: New(), canary: o.canary()}
		for range o.random.IntN(8) {
			*Alloc[uint64](a.arena) = a.canary
			a.words = Append(a.arena, a.words, a.canary, a.canary)
		}
		a.bytes = a.arena.Bytes(binary.LittleEndian.AppendUint64(nil, a.canary))
		o.has = append(o.has, a)
	case op < 8 && len(o.has) > 0:
		o.giveBack(o.random.IntN(len(o.has)))
	case op < 9:
		o.again()
	default:
		runtime.Gosched()
	}
	if len(o.has) > 0 {
		o.check(o.has[o.random.IntN(len(o.has))])
	}
}

func (o *owner) getBuffer() owned {
	size := [...]int{0, 300, 512, 4096, 70_000}[o.random.IntN(5)]
	b := owned{buffer: o.buffers.Get(size), canary: o.canary()}
	n := size
	if o.random.IntN(2) == 0 {
		n = o.random.IntN(3*size + 1)
	}
	for range n / 8 {
		b.buffer.B = binary.LittleEndian.AppendUint64(b.buffer.B, b.canary)
	}
	return b
}

func (o *owner) giveBack(at int) {
	v := o.has[at]
	o.check(v)
	o.has[at] = o.has[len(o.has)-1]
	o.has = o.has[:len(o.has)-1]
	place := o.random.IntN(64)
	switch {
	case v.buffer != nil:
		o.buffers.Put(v.buffer)
	case v.value != nil:
		o.pool.Put(v.value)
	default:
		v.arena.Free()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case v.buffer != nil:
		o.stale[place] = v.buffer
	case v.value != nil:
		o.values[place] = v.value
	default:
		o.freed[place] = v.arena
	}
}

// again gives back what was given back before, perhaps by another goroutine, which
// may do so at the same time.
func (o *owner) again() {
	place := o.random.IntN(64)
	o.mu.Lock()
	b, a, v := o.stale[place], o.freed[place], o.values[place]
	o.mu.Unlock()
	if b != nil {
		o.buffers.Put(b)
	}
	o.pool.Put(v)
	a.Free()
	if a != nil {
		*Alloc[uint64](a) = ^uint64(0)
		a.Bytes([]byte("stale"))
	}
}

func (o *owner) check(v owned) {
	fail := func(what string, got uint64) {
		o.t.Errorf("%s of owner %x has %x of owner %x", what, v.canary>>32, got, got>>32)
	}
	switch {
	case v.buffer != nil:
		for b := v.buffer.B; len(b) >= 8; b = b[8:] {
			if got := binary.LittleEndian.Uint64(b); got != v.canary {
				fail("buffer", got)
				return
			}
		}
	case v.value != nil:
		for _, got := range v.value.list {
			if got != v.canary {
				fail("value", got)
				return
			}
		}
	default:
		for _, got := range v.words {
			if got != v.canary {
				fail("arena", got)
				return
			}
		}
		if got := binary.LittleEndian.Uint64(v.bytes); got != v.canary {
			fail("arena's bytes", got)
		}
	}
}

func (o *owner) checkAll() {
	for _, v := range o.has {
		o.check(v)
	}
}
