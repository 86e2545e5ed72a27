//go:build gqlboost_debug

package arena

import (
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/valyala/bytebufferpool"
)

// poisoned fills memory that its user has given back.
const poisoned = 0xDB

// guard notices that two goroutines are inside an arena at the same time.
type guard struct{ inside atomic.Bool }

func (g *guard) enter() {
	if !g.inside.CompareAndSwap(false, true) {
		panic("arena: concurrent use of an Arena")
	}
}

func (g *guard) leave() { g.inside.Store(false) }

// recycle replaces a chunk, and leaves the old one to stale readers with values
// that no program expects: bytes of 0xDB, or zeros where there are pointers, as
// the garbage collector must not see an invalid one.
func recycle[T any](chunk []T) []T {
	if hasPointers(reflect.TypeFor[T]()) {
		clear(chunk)
	} else if len(chunk) > 0 {
		size := unsafe.Sizeof(*new(T)) * uintptr(len(chunk))
		fill(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(chunk))), size))
	}
	return make([]T, 0, cap(chunk))
}

func reuse(chunk []byte) []byte { return recycle(chunk) }

func fill(b []byte) {
	for i := range b {
		b[i] = poisoned
	}
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Pointer, reflect.UnsafePointer, reflect.Map, reflect.Chan, reflect.Func, reflect.Interface, reflect.Slice, reflect.String:
		return true
	}
	return false
}

// pooled holds the buffers that are in a pool. Weak pointers, because what the
// garbage collector takes from the pool must not stay here.
var pooled = struct {
	sync.Mutex
	buffers map[weak.Pointer[bytebufferpool.ByteBuffer]]*Buffers
}{buffers: map[weak.Pointer[bytebufferpool.ByteBuffer]]*Buffers{}}

func debugPut(p *Buffers, b *bytebufferpool.ByteBuffer) {
	fill(b.B)
	key := weak.Make(b)
	pooled.Lock()
	defer pooled.Unlock()
	if pooled.buffers[key] != nil {
		panic("arena: Put of a buffer that is in the pool already")
	}
	for other := range pooled.buffers {
		if other.Value() == nil {
			delete(pooled.buffers, other)
		}
	}
	pooled.buffers[key] = p
}

func debugGot(_ *Buffers, b *bytebufferpool.ByteBuffer) {
	pooled.Lock()
	delete(pooled.buffers, weak.Make(b))
	pooled.Unlock()
	all := b.B[:cap(b.B)]
	for _, c := range all[:len(all)-1] {
		if c != poisoned {
			panic("arena: a buffer was written to after Put")
		}
	}
}
