package stream

import (
	"context"
	"time"

	"github.com/valyala/bytebufferpool"
)

// Options configures a [Writer]. The zero value works for most programs.
type Options struct {
	// MinChunk and MaxChunk bound a chunk's size in bytes. The first chunk has
	// MinChunk, for a low time to the first byte; later ones double while the
	// destination takes them at once, and are halved when it blocks. Defaults:
	// 4 KiB and 256 KiB. More than 1 GiB is taken for that.
	MinChunk, MaxChunk int
	// MaxHeld bounds the bytes that Nullable can take back, 1 MiB by default.
	MaxHeld int
	// MaxDepth bounds the nesting, 1000 by default.
	MaxDepth int
	// Buffers gives the memory of chunks: an arena's Buffers, or the package's
	// own pool by default.
	Buffers Buffers
	// Context ends the writing: its error is the writer's.
	Context context.Context
	// EscapeHTML writes <, > and & as escapes, for JSON inside of HTML, also in what is
	// written by Raw and Pieces, but not by Append.
	EscapeHTML bool
	// RejectInvalidUTF8 makes invalid UTF-8 an error, except in what is written by Append and
	// Pieces, which is not looked at. Without it, U+FFFD takes the place of each of its bytes,
	// in the form that encoding/json has in the Go version that builds the program.
	RejectInvalidUTF8 bool
	// WriteTimeout is how long a client may take for one chunk, 30 s by default;
	// negative for no limit. The time in which nothing is written does not count, except after
	// a response without Content-Length: its mark of the end is sent when the handler returns,
	// which must be within the time. It needs a destination with deadlines, which Respond has,
	// and takes the place of http.Server's WriteTimeout for the response.
	WriteTimeout time.Duration
	// ContentType is that of Respond's response. By default it is the media type of GraphQL
	// over HTTP that the client prefers.
	ContentType string
}

// Buffers provides the memory of chunks. It must be safe for concurrent use.
type Buffers interface {
	// Get returns an empty buffer with a capacity of n bytes at least.
	Get(n int) *bytebufferpool.ByteBuffer
	// Put takes a buffer back.
	Put(b *bytebufferpool.ByteBuffer)
}

const (
	defaultMinChunk     = 4 << 10
	defaultMaxChunk     = 256 << 10
	defaultMaxHeld      = 1 << 20
	defaultMaxDepth     = 1000
	defaultWriteTimeout = 30 * time.Second

	maxChunkSize = 1<<30 - slack // Twice that is an int everywhere.
)

func (o Options) withDefaults() Options {
	if o.MinChunk <= 0 {
		o.MinChunk = defaultMinChunk
	}
	if o.MaxChunk <= 0 {
		o.MaxChunk = defaultMaxChunk
	}
	o.MinChunk = min(o.MinChunk, maxChunkSize)
	o.MaxChunk = min(max(o.MaxChunk, o.MinChunk), maxChunkSize)
	if o.MaxHeld <= 0 {
		o.MaxHeld = defaultMaxHeld
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = defaultMaxDepth
	}
	if o.Buffers == nil {
		o.Buffers = pooled{}
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = defaultWriteTimeout
	}
	return o
}

// pooled keeps chunks for the next writer. Larger buffers than a chunk needs are
// left to the garbage collector.
type pooled struct{}

var chunks bytebufferpool.Pool

func (pooled) Get(n int) *bytebufferpool.ByteBuffer {
	b := chunks.Get()
	if cap(b.B) < n {
		b.B = make([]byte, 0, n)
	}
	return b
}

func (pooled) Put(b *bytebufferpool.ByteBuffer) {
	if cap(b.B) <= 2*defaultMaxChunk {
		// The pool learns sizes from lengths.
		b.B = b.B[:cap(b.B)]
		chunks.Put(b)
	}
}
