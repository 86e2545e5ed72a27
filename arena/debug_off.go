//go:build !gqlboost_debug

package arena

import "github.com/valyala/bytebufferpool"

// guard does its work in debug_on.go, as all of this file.
type guard struct{}

func (guard) enter() {}
func (guard) leave() {}

type freeTrace struct{}

func (*freeTrace) first() {}
func (*freeTrace) again() {}

// recycle empties a chunk whose next users expect zeros.
func recycle[T any](chunk []T) []T {
	clear(chunk)
	return chunk[:0]
}

// reuse empties a chunk whose next users overwrite it.
func reuse(chunk []byte) []byte { return chunk[:0] }

func debugPut(*bytebufferpool.ByteBuffer)      {}
func debugPutAgain(*bytebufferpool.ByteBuffer) {}
func debugIdle([]byte)                         {}
func debugLent([]byte)                         {}
func debugPoolPut[T any](*T)                   {}
func debugPoolPutAgain[T any](*T)              {}
