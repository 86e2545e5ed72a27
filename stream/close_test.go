package stream

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/valyala/bytebufferpool"
)

// counted lends fresh memory, and knows how often it came back.
type counted struct{ got, put atomic.Int32 }

func (c *counted) Get(n int) *bytebufferpool.ByteBuffer {
	c.got.Add(1)
	return &bytebufferpool.ByteBuffer{B: make([]byte, 0, n)}
}

func (c *counted) Put(*bytebufferpool.ByteBuffer) { c.put.Add(1) }

// However often a Writer is closed, its memory is given back once.
func TestSecondCloseIsHarmless(t *testing.T) {
	for range 200 {
		memory := new(counted)
		w := NewWriter(io.Discard, Options{Buffers: memory})
		w.Int(1)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := w.Close(); err != nil && !errors.Is(err, ErrMisuse) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		w.Int(2)
		w.Append(func(chunk []byte) []byte { return append(chunk, '3') })
		if w.Flush() == nil || memory.put.Load() != 1 {
			t.Fatalf("after Close: %v; the memory came back %d times", w.Err(), memory.put.Load())
		}
	}
}

type closer struct{ w *Writer }

func (c *closer) Write(p []byte) (int, error) {
	_ = c.w.Close()
	return len(p), nil
}

// A callback that closes its own Writer keeps the chunk that it was given.
func TestCloseInACallback(t *testing.T) {
	memory := new(counted)
	w := NewWriter(io.Discard, Options{Buffers: memory})
	w.Append(func(chunk []byte) []byte {
		_ = w.Close()
		if n := memory.put.Load(); n != 0 {
			t.Error("a chunk in use was given back")
		}
		return append(chunk, '1')
	})
	w.Nullable(nil, func(w *Writer) error { return errors.New("late") })
	_ = w.Close()

	dst := new(closer)
	dst.w = NewWriter(dst, Options{Buffers: memory})
	dst.w.Int(1)
	if err := dst.w.Flush(); !errors.Is(err, ErrMisuse) { // The chunk would be sent a second time.
		t.Error("Close in Write:", err)
	}
	dst.w.Int(2)
	if err := dst.w.Close(); !errors.Is(err, ErrMisuse) {
		t.Error("a Writer that was closed in its Write:", err)
	}
	if n := memory.put.Load(); n != 0 {
		t.Error("a chunk in use was given back")
	}
}
