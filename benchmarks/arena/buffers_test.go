package arena

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/valyala/bytebufferpool"
)

// sizes are those of responses: 0.2 to 4 KB, 1 in 64 of 64 KB, 1 in 1024 of 4 MB.
var sizes = func() (list [1 << 14]int) {
	random := rand.New(rand.NewPCG(1, 1))
	for i := range list {
		switch {
		case random.IntN(1024) == 0:
			list[i] = 4 << 20
		case random.IntN(64) == 0:
			list[i] = 64 << 10
		default:
			list[i] = 200 + random.IntN(4096-200)
		}
	}
	return list
}()

// write fills a buffer as an encoder does, in pieces, to n bytes.
func write(b []byte, n int) []byte {
	for len(b) < n {
		b = append(b, piece[:min(len(piece), n-len(b))]...)
	}
	return b
}

var piece = bytes.Repeat([]byte("gqlboost"), 64)

// workingSet is what the goroutines of a parallel benchmark can hold at once: a
// buffer of each size.
func workingSet() int64 { return int64(runtime.GOMAXPROCS(0)) * (4<<20 + 64<<10 + 4<<10) }

// use is what a kind of pool does for n bytes.
type use struct {
	name string
	use  func(n int)
}

// uses returns each kind of pool, of which callers ask for as many bytes as ask says if they
// will write n.
func uses(ask func(n int) int) []use {
	var buffers arena.Buffers
	var single bytebufferpool.Pool
	uncapped := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	return []use{
		{"gqlboost", func(n int) {
			buffer := buffers.Get(ask(n))
			buffer.B = write(buffer.B, n)
			buffers.Put(buffer)
		}},
		{"bytebufferpool", func(n int) {
			buffer := single.Get()
			buffer.B = write(buffer.B, n)
			single.Put(buffer)
		}},
		{"sync.Pool", func(n int) {
			buffer := uncapped.Get().(*bytes.Buffer)
			buffer.Reset()
			buffer.Grow(ask(n))
			for buffer.Len() < n {
				buffer.Write(piece[:min(len(piece), n-buffer.Len())])
			}
			uncapped.Put(buffer)
		}},
	}
}

func BenchmarkBuffers(b *testing.B) {
	for _, c := range uses(func(n int) int { return n }) {
		b.Run("impl="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			before := idleHeap()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(len(sizes)); pb.Next(); i++ {
					c.use(sizes[i%len(sizes)])
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(heap()-before)/float64(workingSet()), "retained/workingset")
		})
	}
}

// idleHeap is the heap without what pools hold.
func idleHeap() int64 {
	runtime.GC()
	runtime.GC()
	return heap()
}

// heap is what would survive the next collection, with what pools hold. No
// collection must come in between: it would empty them.
func heap() int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var m runtime.MemStats
	runtime.GC() // Pools keep their contents for one collection.
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
