package arena

import (
	"fmt"
	"testing"
	"unique"
	"unsafe"

	"github.com/gqlboost/gqlboost/arena"
)

func bytesToString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// keys are 256 hot field names.
var keys = func() (list [256][]byte) {
	for i := range list {
		list[i] = fmt.Appendf(nil, "fieldName%d", i*i)
	}
	return list
}()

func BenchmarkIntern(b *testing.B) {
	var interner arena.Interner
	for _, c := range []struct {
		name   string
		intern func([]byte) string
	}{
		{"gqlboost", interner.Bytes},
		{"unique", func(key []byte) string { return unique.Make(string(key)).Value() }},
	} {
		for _, key := range keys {
			c.intern(key)
		}
		b.Run("mode=serial/impl="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if len(c.intern(keys[i&255])) == 0 {
					b.Fatal("empty")
				}
				i++
			}
		})
		b.Run("mode=parallel/impl="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if len(c.intern(keys[i&255])) == 0 {
						b.Error("empty")
					}
				}
			})
		})
	}
}
