package arena

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/valyala/bytebufferpool"
)

// A handle is lent once and never again, as nobody knows who still holds it. Its
// memory moves on to another one.

func addressOf(b *bytebufferpool.ByteBuffer) uintptr { return uintptr(unsafe.Pointer(b)) }

// header is what a slice is made of.
type header struct {
	data          unsafe.Pointer
	length, space uintptr
}

// claim takes the memory out of a handle. One of several calls at the same time
// gets it, as the space is what all of them look at first.
func claim(b *bytebufferpool.ByteBuffer) []byte {
	h := (*header)(unsafe.Pointer(&b.B))
	space := atomic.SwapUintptr(&h.space, 0)
	if space == 0 {
		return nil
	}
	memory := unsafe.Slice((*byte)(h.data), space)[:h.length]
	h.length, h.data = 0, nil
	return memory
}

// A mark is written behind the contents of a buffer, where a new one has zeros and
// one that has grown has other memory. It says whether the memory is in the pool,
// and for which class it was asked.
const (
	markSize  = 8
	markMagic = 0x9DF6_5A2C_E153_0000

	markNone = 0
	markIdle = 0xA5
	markLent = 0x5A
)

func setMark(memory []byte, class int, state uint64) {
	all := memory[:cap(memory)]
	binary.LittleEndian.PutUint64(all[len(all)-markSize:], markMagic|uint64(class)<<8|state)
}

// readMark returns markNone as the state if there is no mark, or if the first used
// bytes, which may be anything, reach into it.
func readMark(memory []byte, used int) (class int, state uint64) {
	all := memory[:cap(memory)]
	if len(all) < 1<<minClassBits || len(all)-markSize < used {
		return 0, markNone
	}
	mark := binary.LittleEndian.Uint64(all[len(all)-markSize:])
	class = int(mark >> 8 & 0xFF)
	if mark&^0xFFFF != markMagic || class >= classes {
		return 0, markNone
	}
	return class, mark & 0xFF
}

func isIdle(memory []byte) bool {
	_, state := readMark(memory, 0)
	return state == markIdle
}

// idle prepares memory for a pool. bytebufferpool calibrates itself by length: it
// is to see the capacity, the size that the pool is for, not how much of it the last
// user needed.
func idle(memory []byte, class int) []byte {
	memory = memory[:cap(memory)]
	debugIdle(memory)
	setMark(memory, class, markIdle)
	return memory
}

// lent prepares memory for a caller.
func lent(memory []byte, class int) []byte {
	debugLent(memory)
	setMark(memory, class, markLent)
	return memory[:0]
}
