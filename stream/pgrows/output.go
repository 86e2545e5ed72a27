package pgrows

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
)

// output is where the values of one result go. It is for one goroutine.
type output struct {
	w       *stream.Writer
	options *Options
	types   *types
	session session // of the rows
	styles  styles
	known   bool   // styles has been read
	scratch []byte // texts under way: the appender cuts it back
	states  [4]state
}

// encoder writes a value that is not null.
type encoder func(o *output, src []byte) error

// texter appends Postgres's text of a value that is not null.
type texter func(o *output, to, src []byte) ([]byte, error)

var (
	errLength = errors.New("the value does not have the length of its type")
	errText   = errors.New("the value is not in the text format of its type")
)

// maxScratch is the size in bytes above which a scratch buffer is not kept.
const maxScratch = 64 << 10

var outputs = sync.Pool{New: func() any { return new(output) }}

func newOutput(w *stream.Writer, rows pgx.Rows, types *types) (*output, error) {
	session := sessionOf(rows)
	if err := checkEncoding(session); err != nil {
		return nil, err
	}
	o := outputs.Get().(*output)
	o.w, o.types, o.options, o.session = w, types, &types.options, session
	return o, nil
}

// release gives the memory back. Keys of states stay, to be written over.
func (o *output) release() {
	scratch, states := o.scratch[:0], o.states
	if cap(scratch) > maxScratch {
		scratch = nil
	}
	for i := range states {
		if states[i] = (state{key: states[i].key[:0]}); cap(states[i].key) > maxScratch {
			states[i].key = nil
		}
	}
	*o = output{scratch: scratch, states: states}
	outputs.Put(o)
}

// quoteText writes Postgres's text of a value as a string.
func (o *output) quoteText(text texter, src []byte) error {
	mark := len(o.scratch)
	to, err := text(o, o.scratch, src)
	if err != nil {
		return err
	}
	o.scratch = to[:mark]
	o.w.StringBytes(to[mark:])
	return nil
}

// plain writes a value of characters that need no escapes as a string.
func (o *output) plain(text texter, src []byte) (err error) {
	o.w.Append(func(chunk []byte) []byte {
		to, failed := text(o, append(chunk, '"'), src)
		if err = failed; err != nil {
			return append(chunk, "null"...) // A caller that can continue without the value takes it back.
		}
		return append(to, '"')
	})
	return err
}

func be16(b []byte) int16 { return int16(binary.BigEndian.Uint16(b)) }
func be32(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }
func be64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// field reads a length and as many bytes, nil for null.
func field(src []byte) (value, rest []byte, err error) {
	if len(src) < 4 {
		return nil, nil, errLength
	}
	n := int(be32(src))
	src = src[4:]
	if n < 0 {
		return nil, src, nil
	}
	if n > len(src) {
		return nil, nil, errLength
	}
	return src[:n:n], src[n:], nil
}
