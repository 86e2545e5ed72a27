package arena

import (
	"fmt"
	"testing"

	"github.com/gqlboost/gqlboost/arena"
)

// BenchmarkSmall is about when not to use an arena: for values that stay on the
// stack, and for a handful of values.
func BenchmarkSmall(b *testing.B) {
	b.Run("work=stack/impl=gqlboost", func(b *testing.B) {
		a := arena.New()
		defer a.Free()
		n := 0
		for b.Loop() {
			v := arena.Alloc[[4]int](a)
			v[n&3] = n
			if n++; n == 1<<12 {
				a.Reset()
				n = 0
			}
		}
	})
	b.Run("work=stack/impl=plain", func(b *testing.B) {
		n, sum := 0, 0
		for b.Loop() {
			var v [4]int
			v[n&3] = n
			sum += v[(n+1)&3]
			n++
		}
	})
	for _, values := range []int{1, 4, 16, 64, 256} {
		kept := make([]*[8]int, values)
		b.Run(fmt.Sprintf("work=%d-values/impl=gqlboost", values), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a := arena.New()
				for i := range kept {
					kept[i] = arena.Alloc[[8]int](a)
				}
				a.Free()
			}
		})
		b.Run(fmt.Sprintf("work=%d-values/impl=plain", values), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for i := range kept {
					kept[i] = new([8]int)
				}
			}
		})
	}
}
