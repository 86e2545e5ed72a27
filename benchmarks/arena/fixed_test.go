package arena

import (
	"fmt"
	"testing"
)

// BenchmarkFixed is the case that a pool of one size is made for: all know the size, which is
// so small that lending is what takes the time.
func BenchmarkFixed(b *testing.B) {
	for _, n := range []int{64, 512, 4096} {
		for _, c := range uses(func(n int) int { return n }) {
			b.Run(fmt.Sprintf("size=%d/impl=%s", n, c.name), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						c.use(n)
					}
				})
			})
		}
	}
}
