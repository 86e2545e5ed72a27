package plancache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"time"
)

// record is a plan with its key as bytes, in a file or a second level.
type record struct {
	// The versions of the schema and of the planner; in a file they are in the header.
	version, planVersion string

	key  Key
	uses uint32
	cost time.Duration
	// deadline is until when the plan is good, to the millisecond; zero is forever.
	deadline time.Time
	plan     []byte
}

// over reports whether the plan's time is over.
func (r *record) over() bool { return !r.deadline.IsZero() && !r.deadline.After(time.Now()) }

var (
	errTruncated = errors.New("plancache: truncated")
	errNumber    = errors.New("plancache: a number that is too large")
	errTooLong   = errors.New("plancache: data after the end of the record")
)

// encodeRecord returns, of a record, the texts and the plan, each behind its length, and
// the numbers.
func encodeRecord(r record) (b []byte) {
	b = appendTexts(nil, r.version, r.planVersion, r.key.Query, r.key.Operation, r.key.Extra)
	b = binary.AppendUvarint(b, uint64(r.uses))
	b = binary.AppendUvarint(b, uint64(r.cost))
	b = binary.AppendUvarint(b, encodeDeadline(r.deadline))
	return append(binary.AppendUvarint(b, uint64(len(r.plan))), r.plan...)
}

// appendTexts appends texts, each behind its length.
func appendTexts(b []byte, texts ...string) []byte {
	for _, s := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

// encodeDeadline returns milliseconds since 1970, rounded down, or 0 for never.
func encodeDeadline(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(min(max(t.UnixMilli(), 1), mostDeadline))
}

// mostDeadline is the end of the year 9999.
const mostDeadline = 253402300799999

// decodeRecord reads a record behind which nothing comes.
func decodeRecord(b []byte) (record, error) {
	s := &source{rest: b}
	r, err := s.record()
	if err == nil && len(s.rest) > 0 {
		err = errTooLong
	}
	return r, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// source is what records are read from, and the sum of what has been read.
type source struct {
	rest []byte    // has been fetched and not been read
	from io.Reader // more of it; nil if rest is all
	buf  []byte    // what rest is part of, if there is a reader
	sum  uint32
}

const (
	sourceBuffer = 64 << 10
	// mostEmptyReads is how often a reader may return nothing, as in package bufio.
	mostEmptyReads = 100
)

// next returns the next n bytes, which are good until it is called again.
func (s *source) next(n uint64) ([]byte, error) {
	for uint64(len(s.rest)) < n {
		if err := s.fetch(); err != nil {
			return nil, err
		}
	}
	part := s.rest[:n:n]
	s.rest = s.rest[n:]
	s.sum = crc32.Update(s.sum, castagnoli, part)
	return part, nil
}

// fetch makes rest longer. Memory grows with what there is, not with what a length says.
func (s *source) fetch() error {
	if s.from == nil {
		return errTruncated
	}
	if len(s.rest) == len(s.buf) {
		grown := make([]byte, max(sourceBuffer, 2*len(s.buf)))
		s.rest, s.buf = grown[:copy(grown, s.rest)], grown
	} else {
		s.rest = s.buf[:copy(s.buf, s.rest)]
	}
	n, err := 0, error(nil)
	for tries := 0; n == 0 && err == nil; tries++ {
		if tries == mostEmptyReads {
			return io.ErrNoProgress
		}
		n, err = s.from.Read(s.buf[len(s.rest):])
	}
	s.rest = s.buf[:len(s.rest)+n]
	switch {
	case n > 0: // An error comes again.
		return nil
	case errors.Is(err, io.EOF):
		return errTruncated
	}
	return err
}

// number reads a varint.
func (s *source) number(most uint64) (n uint64, err error) {
	for shift := 0; shift < 63; shift += 7 {
		b, err := s.next(1)
		if err != nil {
			return 0, err
		}
		n |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			if n > most {
				break
			}
			return n, nil
		}
	}
	return 0, errNumber
}

// bytes reads what is behind its length. It is good until the next call.
func (s *source) bytes() ([]byte, error) {
	n, err := s.number(math.MaxInt64)
	if err != nil {
		return nil, err
	}
	return s.next(n)
}

// texts reads what appendTexts has appended.
func (s *source) texts(to ...*string) error {
	for _, each := range to {
		part, err := s.bytes()
		if err != nil {
			return err
		}
		*each = string(part)
	}
	return nil
}

// record reads a record, whose plan is good until the next call.
func (s *source) record() (r record, err error) {
	err = s.texts(&r.version, &r.planVersion, &r.key.Query, &r.key.Operation, &r.key.Extra)
	if err != nil {
		return r, err
	}
	uses, err := s.number(math.MaxUint32)
	if err != nil {
		return r, err
	}
	cost, err := s.number(1 << 62)
	if err != nil {
		return r, err
	}
	deadline, err := s.number(mostDeadline)
	if err != nil {
		return r, err
	}
	if deadline > 0 {
		r.deadline = time.UnixMilli(int64(deadline))
	}
	r.uses, r.cost = uint32(uses), time.Duration(cost)
	r.plan, err = s.bytes()
	return r, err
}
