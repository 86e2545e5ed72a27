package arena

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/gqlboost/gqlboost/arena"
)

const (
	fileSize = 64 << 20
	reads    = 1000 // random slices of a kilobyte after each start
	readSize = 1 << 10
)

// BenchmarkMap opens a file and reads a thousand random kilobytes of it, as a
// server does that starts with a large persisted cache.
func BenchmarkMap(b *testing.B) {
	path := filepath.Join(b.TempDir(), "file")
	content := make([]byte, fileSize)
	for i := range content {
		content[i] = byte(i >> 7)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		run  func(offsets []int) (sum int, heap int64)
	}{
		{"gqlboost", func(offsets []int) (sum int, heap int64) {
			m, err := arena.Map(path)
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			for _, offset := range offsets {
				if err := m.View(offset, readSize, func(s []byte) error { sum += total(s); return nil }); err != nil {
					b.Fatal(err)
				}
			}
			return sum, liveHeap()
		}},
		{"os.ReadFile", func(offsets []int) (sum int, heap int64) {
			data, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			for _, offset := range offsets {
				sum += total(data[offset : offset+readSize])
			}
			heap = liveHeap()
			runtime.KeepAlive(data)
			return sum, heap
		}},
	} {
		b.Run("impl="+c.name, func(b *testing.B) {
			debug.FreeOSMemory()
			before := liveHeap()
			random := rand.New(rand.NewPCG(1, 2))
			offsets := make([]int, reads)
			var heap int64
			for b.Loop() {
				for i := range offsets {
					offsets[i] = random.IntN(fileSize - readSize)
				}
				var sum int
				sum, heap = c.run(offsets)
				if sum == 0 {
					b.Fatal("nothing was read")
				}
			}
			b.ReportMetric(float64(max(heap-before, 0)), "heapB")
		})
	}
}

func total(b []byte) (sum int) {
	for _, c := range b {
		sum += int(c)
	}
	return sum
}

func liveHeap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
