package arena

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/internal/race"
	"github.com/gqlboost/gqlboost/internal/wait"
)

// What the garbage collector takes with a shard is not retained any more, and may be
// kept by others.
func TestCollectedShardsGiveTheirBytesBack(t *testing.T) {
	var p Buffers
	for range 8 {
		p.Put(p.Get(1000))
		grown := p.Get(300)
		grown.B = append(grown.B, make([]byte, 5000)...)
		p.Put(grown)
	}
	before := p.Stats()
	if p.sharded.Load() == 0 || before.Retained == 0 {
		t.Fatalf("shards keep nothing: %+v", before)
	}
	wait.Until(t, "the shards are collected", func() bool {
		runtime.GC()
		hits, puts, bytes := p.tallies.counted()
		return bytes == 0 && p.sharded.Load() == 0 && hits > 0 && puts > 0
	})
	p.Put(p.Get(1000))
	if after := p.Stats(); after.Gets != before.Gets+1 || after.Puts != before.Puts+1 {
		t.Errorf("the counts do not go on: %+v after %+v", after, before)
	}
}

// Counts of busy buffers are published now and then: they fall behind by a few, and
// never go back.
func TestCountsOfBusyBuffers(t *testing.T) {
	const goroutines, each = 8, 20_000
	p := Buffers{MaxRetained: 1 << 20}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			var last BufferStats
			for i := range each {
				b := p.Get(300)
				b.B = append(b.B, make([]byte, random.IntN(9000))...)
				p.Put(b)
				if i%1000 != 0 {
					continue
				}
				s := p.Stats()
				if s.Gets < last.Gets || s.Puts < last.Puts || s.Retained < 0 || s.Retained > p.MaxRetained {
					t.Errorf("%+v after %+v", s, last)
				}
				last = s
			}
		})
	}
	wg.Wait()
	const calls = goroutines * each
	shards := uint64(len(p.tallies.all))
	if race.Enabled { // sync.Pool drops shards then, with what they have not published.
		return
	}
	if s := p.Stats(); s.Gets > calls || s.Puts > calls || s.Gets+20*publishedEach*shards < calls || s.Puts+20*publishedEach*shards < calls {
		t.Errorf("%+v after %d calls with %d shards", s, calls, shards)
	}
}
