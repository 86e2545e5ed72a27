//go:build gqlboost_debug

package arena

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

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
	case reflect.Pointer, reflect.UnsafePointer, reflect.Map, reflect.Chan, reflect.Func, reflect.Interface, reflect.Slice,
		reflect.String:
		return true
	}
	return false
}

// report says what was done wrong. It does not panic: a second Free or Put does no
// harm, and is common in code that defers one and calls another.
var report = func(message string) { os.Stderr.WriteString(message) }

// stack is where a call was made.
type stack [24]uintptr

func here() (s stack) {
	runtime.Callers(3, s[:])
	return s
}

func (s *stack) String() string {
	if s == nil || s[0] == 0 {
		return "unknown: it is not among those that are remembered\n"
	}
	var b strings.Builder
	for frames, more := runtime.CallersFrames(s[:]), true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if frame.Function != "" {
			fmt.Fprintf(&b, "%s\n\t%s:%d\n", frame.Function, frame.File, frame.Line)
		}
	}
	return b.String()
}

// reported are the places that were reported: once is enough.
var reported struct {
	sync.Mutex
	places map[stack]bool
}

func reportAgain(what string, first *stack) {
	now := here()
	reported.Lock()
	known := reported.places[now] || len(reported.places) > 1000
	if !known {
		if reported.places == nil {
			reported.places = map[stack]bool{}
		}
		reported.places[now] = true
	}
	reported.Unlock()
	if !known {
		report(fmt.Sprintf("arena: %s\n\nthis call:\n%v\nthe first call:\n%v\n", what, &now, first))
	}
}

// freeTrace remembers who has freed an arena.
type freeTrace struct{ stack atomic.Pointer[stack] }

func (t *freeTrace) first() {
	s := here()
	t.stack.Store(&s)
}

func (t *freeTrace) again() { reportAgain("second Free of an Arena", t.stack.Load()) }

// trace remembers who has put what, by its address.
type trace struct {
	address uintptr
	stack   stack
}

// traces are the last that were put to each place.
var traces struct {
	sync.Mutex
	list [1 << 12]trace
}

func traceOf(address uintptr) *trace { return &traces.list[address/8*0x9E37%uintptr(len(traces.list))] }

func traceFirst(address uintptr) {
	s := here()
	traces.Lock()
	defer traces.Unlock()
	*traceOf(address) = trace{address, s}
}

// traceAgain reports a second call, if the first one is known or should be.
func traceAgain(what string, address uintptr, always bool) {
	traces.Lock()
	t := *traceOf(address)
	traces.Unlock()
	if t.address != address {
		t.stack = stack{}
	}
	if always || t.address == address {
		reportAgain(what, &t.stack)
	}
}

func debugPut(b *bytebufferpool.ByteBuffer) { traceFirst(addressOf(b)) }

// debugPutAgain reports nothing for a buffer without memory that was never put.
func debugPutAgain(b *bytebufferpool.ByteBuffer) {
	traceAgain("second Put of a buffer", addressOf(b), false)
}

func debugPoolPut[T any](v *T) { traceFirst(uintptr(unsafe.Pointer(v))) }

func debugPoolPutAgain[T any](v *T) {
	traceAgain(fmt.Sprintf("Put of a %T that the pool has not lent, or a second Put", v), uintptr(unsafe.Pointer(v)), true)
}

// debugIdle overwrites memory that its user has given back.
func debugIdle(memory []byte) { fill(memory) }

// debugLent panics if somebody has written to memory while it was in a pool: whose
// bytes these are, nobody knows any more. New memory was in none.
func debugLent(memory []byte) {
	if !isIdle(memory) {
		return
	}
	all := memory[:cap(memory)]
	for i, c := range all[:len(all)-markSize] {
		if c != poisoned {
			panic(fmt.Sprintf("arena: byte %d of a buffer of %d was written to after Put", i, len(all)))
		}
	}
}
