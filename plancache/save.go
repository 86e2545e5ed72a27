package plancache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
)

// A file is a header (magic, with the format's version; the schema's version; the number
// of records), the records, and a CRC-32C of it all.
const magic = "gqlboost plans 1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	// ErrFormat is wrapped by the errors of data that Save has not written, or that has
	// been damaged since.
	ErrFormat = errors.New("plancache: not what Save has written, or damaged")
	// ErrSchema is wrapped by the error of plans for another version of the schema.
	ErrSchema = errors.New("plancache: for another version of the schema")
)

// Save writes the queries with their use counts and, with a Codec, their plans. Those
// that are used most come first.
func (c *Cache[P]) Save(w io.Writer) error {
	g := c.current.Load()
	var records [][]byte
	for _, e := range byUse(g.entries()) {
		if e.err != nil {
			continue
		}
		r := record{key: e.key, uses: e.uses.Load(), cost: e.cost}
		if c.config.Codec != nil {
			data, err := protect(c.ctx, func(context.Context) ([]byte, error) { return c.config.Codec.Encode(e.plan) })
			if err != nil {
				return fmt.Errorf("plancache: encoding the plan of %.60q: %w", e.key.Query, err)
			}
			r.plan = data
		}
		records = append(records, encodeRecord(r))
	}
	sum := crc32.New(castagnoli)
	out := io.MultiWriter(w, sum)
	header := append(binary.AppendUvarint([]byte(magic), uint64(len(g.version))), g.version...)
	header = binary.AppendUvarint(header, uint64(len(records)))
	for _, b := range append([][]byte{header}, records...) {
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	_, err := w.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

// SaveFile writes a file as Save does. A crash leaves the old file or the new one.
func (c *Cache[P]) SaveFile(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = c.Save(f)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// Restore adds the plans that Save has written, and returns how many. It needs the Codec.
// Plans that are there already stay. Nothing is added of data that is damaged
// ([ErrFormat]), or for another version of the schema ([ErrSchema]); plans that Codec
// cannot decode are left out.
func (c *Cache[P]) Restore(r io.Reader) (int, error) {
	data, err := readAll(r)
	if err != nil {
		return 0, err
	}
	return c.restore(data)
}

// readAll is io.ReadAll without the copies of a growing buffer where the size is known.
func readAll(r io.Reader) ([]byte, error) {
	var b bytes.Buffer
	if sized, ok := r.(interface{ Len() int }); ok {
		b.Grow(sized.Len() + bytes.MinRead)
	}
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// RestoreFile restores from a file.
func (c *Cache[P]) RestoreFile(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return c.restore(data)
}

// Mapped is a file in memory. An arena.Mapping is one.
type Mapped interface {
	Len() int
	View(offset, n int, read func([]byte) error) error
}

// RestoreMapped restores from a file in memory without reading it into another place.
func (c *Cache[P]) RestoreMapped(m Mapped) (n int, err error) {
	err = m.View(0, m.Len(), func(data []byte) (err error) {
		n, err = c.restore(data)
		return err
	})
	return n, err
}

func (c *Cache[P]) restore(data []byte) (n int, err error) {
	if c.config.Codec == nil {
		return 0, ErrNoCodec
	}
	version, records, err := parse(data)
	if err != nil {
		return 0, err
	}
	g := c.current.Load()
	if version != g.version {
		return 0, fmt.Errorf("%w: %q, and the cache is for %q", ErrSchema, version, g.version)
	}
	// The least used first, as they came into the cache.
	for _, r := range slices.Backward(records) {
		hash := c.hashOf(&r.key)
		if len(r.plan) == 0 || g.table.Load().find(hash, &r.key) != nil {
			continue
		}
		plan, err := protect(c.ctx, func(context.Context) (P, error) { return c.config.Codec.Decode(r.plan) })
		if err != nil {
			continue
		}
		e := &entry[P]{key: r.key, hash: hash, plan: plan, cost: r.cost}
		g.put(e, c.ttl(r.key, plan))
		e.uses.Store(r.uses)
		n++
	}
	return n, nil
}

// parse checks all of what Save has written before it returns any of it.
func parse(data []byte) (version string, records []record, err error) {
	body, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok || len(body) < 4 {
		return "", nil, fmt.Errorf("%w: it does not begin as such a file does", ErrFormat)
	}
	body = body[:len(body)-4]
	if got, want := crc32.Checksum(data[:len(data)-4], castagnoli), binary.LittleEndian.Uint32(data[len(data)-4:]); got != want {
		return "", nil, fmt.Errorf("%w: its sum is %08x, not %08x", ErrFormat, got, want)
	}
	name, body, err := readBytes(body)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	count, n := binary.Uvarint(body)
	if n <= 0 {
		return "", nil, fmt.Errorf("%w: %w", ErrFormat, errTruncated)
	}
	body = body[n:]
	for range count {
		var r record
		if r, body, err = readRecord(body); err != nil {
			return "", nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		records = append(records, r)
	}
	if len(body) > 0 {
		return "", nil, fmt.Errorf("%w: %d bytes too many", ErrFormat, len(body))
	}
	return string(name), records, nil
}

// Queries reads what Save has written, of whatever version of the schema and with or
// without plans, for Warm: the queries that are used most first. Keys are whole.
func Queries(r io.Reader) (iter.Seq[Key], error) {
	data, err := readAll(r)
	if err != nil {
		return nil, err
	}
	_, records, err := parse(data)
	if err != nil {
		return nil, err
	}
	return func(yield func(Key) bool) {
		for _, r := range records {
			if !yield(r.key) {
				return
			}
		}
	}, nil
}
