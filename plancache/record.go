package plancache

import (
	"encoding/binary"
	"errors"
	"time"
)

// record is a plan with its key as bytes, in a file or a second level.
type record struct {
	version string // of the schema; in a file it is in the header
	key     Key
	uses    uint32
	cost    time.Duration
	plan    []byte
}

var errTruncated = errors.New("plancache: truncated")

// appendRecord appends, of a record, the texts and the plan, each behind its length, and
// the numbers.
func appendRecord(b []byte, r record) []byte {
	for _, s := range []string{r.version, r.key.Query, r.key.Operation, r.key.Extra} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	b = binary.AppendUvarint(b, uint64(r.uses))
	b = binary.AppendUvarint(b, uint64(r.cost))
	return append(binary.AppendUvarint(b, uint64(len(r.plan))), r.plan...)
}

func encodeRecord(r record) []byte { return appendRecord(nil, r) }

// readRecord reads a record, whose plan is part of b, and returns what comes behind it.
func readRecord(b []byte) (r record, rest []byte, err error) {
	for _, to := range []*string{&r.version, &r.key.Query, &r.key.Operation, &r.key.Extra} {
		var part []byte
		if part, b, err = readBytes(b); err != nil {
			return r, nil, err
		}
		*to = string(part)
	}
	uses, n := binary.Uvarint(b)
	if n <= 0 || uint64(uint32(uses)) != uses {
		return r, nil, errTruncated
	}
	b = b[n:]
	cost, n := binary.Uvarint(b)
	if n <= 0 || cost > 1<<62 {
		return r, nil, errTruncated
	}
	r.uses, r.cost = uint32(uses), time.Duration(cost)
	r.plan, rest, err = readBytes(b[n:])
	return r, rest, err
}

func readBytes(b []byte) (part, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, errTruncated
	}
	return b[n : n+int(size) : n+int(size)], b[n+int(size):], nil
}

// decodeRecord reads a record behind which nothing comes.
func decodeRecord(b []byte) (record, error) {
	r, rest, err := readRecord(b)
	if err == nil && len(rest) > 0 {
		err = errors.New("plancache: more than a record")
	}
	return r, err
}
