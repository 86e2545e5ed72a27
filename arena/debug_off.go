//go:build !gqlboost_debug

package arena

import "github.com/valyala/bytebufferpool"

// guard does its work in debug_on.go.
type guard struct{}

func (guard) enter() {}
func (guard) leave() {}

// recycle empties a chunk whose next users expect zeros.
func recycle[T any](chunk []T) []T {
	clear(chunk)
	return chunk[:0]
}

// reuse empties a chunk whose next users overwrite it.
func reuse(chunk []byte) []byte { return chunk[:0] }

func debugGot(*Buffers, *bytebufferpool.ByteBuffer) {}
func debugPut(*Buffers, *bytebufferpool.ByteBuffer) {}
