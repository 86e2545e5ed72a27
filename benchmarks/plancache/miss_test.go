package plancache

import (
	"fmt"
	"testing"
)

// BenchmarkMiss asks for plans that are not there, and adds them, in a full cache. Every
// tenth of them comes again soon, so that policies have something to decide.
func BenchmarkMiss(b *testing.B) {
	for _, capacity := range []int{100, 1000, 10_000} {
		keys := queries(4*capacity, 200)
		for _, p := range peers {
			b.Run(fmt.Sprintf("capacity=%d/impl=%s", capacity, p.name), func(b *testing.B) {
				c := p.make(b, capacity)
				defer c.close()
				for _, q := range keys {
					c.add(q)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					// Not the first key that comes to mind: a loop is a special case.
					i = (i + 7919) % len(keys)
					if !c.get(keys[i]) {
						c.add(keys[i])
					}
				}
			})
		}
	}
}
