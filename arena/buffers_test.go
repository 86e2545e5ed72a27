package arena

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gqlboost/gqlboost/internal/race"
	"github.com/valyala/bytebufferpool"
)

func TestGetGivesTheCapacity(t *testing.T) {
	var p Buffers
	for _, n := range []int{0, 1, 255, 256, 257, 4096, 4097, 1 << 20, 16 << 20, 16<<20 + 1} {
		for range 2 {
			b := p.Get(n)
			if len(b.B) != 0 || cap(b.B) < n {
				t.Errorf("Get(%d): length %d, capacity %d", n, len(b.B), cap(b.B))
			}
			if n <= 16<<20 && cap(b.B) > max(2*n, 256) {
				t.Errorf("Get(%d) wastes: capacity %d", n, cap(b.B))
			}
			p.Put(b)
		}
	}
	p.Put(nil)
	p.Put(&bytebufferpool.ByteBuffer{})
	if s := p.Stats(); s.Gets != 20 || s.Puts != 21 {
		t.Errorf("stats: %+v", s)
	}
}

func TestAGrowingBufferMovesClass(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops values under the race detector")
	}
	var p Buffers
	b := p.Get(100)
	b.B = append(b.B, make([]byte, 10_000)...)
	memory := &b.B[0]
	p.Put(b)
	if got := p.Get(8192); &got.B[:1][0] != memory {
		t.Error("the grown buffer is not among those of its new size")
	}
	if got := p.Get(100); cap(got.B) > 512 {
		t.Error("a small Get was given a large buffer")
	}
}

// bytebufferpool calibrates itself after 42 000 puts and then refuses what is
// above the common length: that must not be the capacity that a class is for.
func TestShortContentsDoNotShrinkAClass(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops values under the race detector")
	}
	var p Buffers
	for range 100_000 {
		b := p.Get(1 << 10)
		b.B = append(b.B, "short"...)
		p.Put(b)
	}
	if s := p.Stats(); s.Misses > 100 {
		t.Errorf("%d of %d Gets allocated", s.Misses, s.Gets)
	}
}

func TestRetentionIsBounded(t *testing.T) {
	p := Buffers{MaxRetained: 8 << 20}
	var list []*bytebufferpool.ByteBuffer
	for range 64 {
		list = append(list, p.Get(1<<20))
	}
	for _, b := range list {
		p.Put(b)
	}
	s := p.Stats()
	if s.Retained > 8<<20 || s.Discarded < 56<<20 || s.Puts != 64 {
		t.Errorf("stats: %+v", s)
	}
}

// What the collector has taken must not count as retained forever.
func TestRetentionRecoversAfterACollection(t *testing.T) {
	p := Buffers{MaxRetained: 8 << 20}
	for round := range 4 {
		var list []*bytebufferpool.ByteBuffer
		for range 8 {
			list = append(list, p.Get(1<<20))
		}
		before := p.Stats().Discarded
		for _, b := range list {
			p.Put(b)
		}
		if after := p.Stats().Discarded; after-before > 3<<20 {
			t.Errorf("round %d: %d bytes discarded though the pool is empty", round, after-before)
		}
		runtime.GC()
		runtime.GC()
		runtime.GC()
	}
}

func TestBuffersInParallel(t *testing.T) {
	var p Buffers
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 0))
			for range 2000 {
				n := random.IntN(20_000)
				b := p.Get(n)
				for range n {
					b.B = append(b.B, byte(g))
				}
				runtime.Gosched()
				if bytes.Count(b.B, []byte{byte(g)}) != n {
					t.Error("another goroutine wrote to a buffer")
				}
				p.Put(b)
			}
		})
	}
	wg.Wait()
}

// FuzzBuffers compares random Gets, growth and Puts with a model that holds what
// each buffer should contain.
func FuzzBuffers(f *testing.F) {
	f.Add([]byte{1, 200, 3, 4, 250, 6, 7, 8, 255, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		p := Buffers{MaxRetained: 1 << 20}
		type use struct {
			b    *bytebufferpool.ByteBuffer
			want []byte
		}
		var uses []use
		for i, op := range program {
			switch n := int(op) * int(op); op % 3 {
			case 0:
				b := p.Get(n)
				if len(b.B) != 0 || cap(b.B) < n {
					t.Fatalf("Get(%d): %d, %d", n, len(b.B), cap(b.B))
				}
				uses = append(uses, use{b: b})
			case 1:
				if len(uses) > 0 {
					u := &uses[i%len(uses)]
					more := bytes.Repeat([]byte{op}, n)
					u.b.B, u.want = append(u.b.B, more...), append(u.want, more...)
				}
			case 2:
				if len(uses) > 0 {
					at := i % len(uses)
					p.Put(uses[at].b)
					uses = append(uses[:at], uses[at+1:]...)
				}
			}
			for _, u := range uses {
				if !bytes.Equal(u.b.B, u.want) {
					t.Fatal("a buffer in use has changed")
				}
			}
			if s := p.Stats(); s.Retained < 0 || s.Retained > 1<<20 {
				t.Fatalf("stats: %+v", s)
			}
		}
	})
}

// What the garbage collector took is counted once, however many find it missing: counted
// twice, the pool would hold as much again above its limit.
func TestLostBuffersCountOnce(t *testing.T) {
	const held = 1 << 20
	const both = 2
	list := make([]class, 10_000)
	var arrived atomic.Int64
	var wg sync.WaitGroup
	for range both {
		wg.Go(func() {
			for i := range list {
				list[i].accepted.Store(held)
				arrived.Add(1)
				for spins := 0; arrived.Load() < int64(both*(i+1)); spins++ {
					if spins > 10_000 {
						runtime.Gosched()
					}
				}
				list[i].missed()
			}
		})
	}
	wg.Wait()
	for i := range list {
		if lost := list[i].lost.Load(); lost > held {
			t.Fatalf("round %d: %d buffers of %d are lost", i, lost, held)
		}
	}
}
