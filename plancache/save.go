package plancache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// A file is a header (magic, with the format's version; the versions of the schema and of
// plans; the number of records), the records, and a CRC-32C of it all.
const magic = "gqlboost plans 2\n"

var (
	// ErrFormat is wrapped by the errors of data that Save has not written, or that has
	// been damaged since.
	ErrFormat = errors.New("plancache: not what Save has written, or damaged")
	// ErrSchema is wrapped by the error of plans for another version of the schema.
	ErrSchema = errors.New("plancache: for another version of the schema")
	// ErrPlanVersion is wrapped by the error of plans for another Options.PlanVersion.
	ErrPlanVersion = errors.New("plancache: for another PlanVersion")
)

// Save writes the queries with their use counts and, with a Codec, their plans. Those
// that are used most come first. After Close there is nothing to write: the error is
// [ErrClosed], and SaveFile leaves the file that is there.
func (c *Cache[P]) Save(w io.Writer) error {
	g := c.current.Load()
	if c.ctx.Err() != nil { // Close ends it after it has emptied the cache.
		return ErrClosed
	}
	var records [][]byte
	for _, e := range byUse(g.entries()) {
		if e.err != nil {
			continue
		}
		r := record{key: e.key, uses: e.uses.Load(), cost: e.cost, deadline: e.deadline}
		if c.options.Codec != nil {
			data, err := protect(c.ctx, func(context.Context) ([]byte, error) { return c.options.Codec.Encode(e.plan) })
			if err != nil {
				return fmt.Errorf("plancache: encoding the plan of %.60q: %w", e.key.Query, err)
			}
			r.plan = data
		}
		records = append(records, encodeRecord(r))
	}
	sum := crc32.New(castagnoli)
	out := io.MultiWriter(w, sum)
	header := appendTexts([]byte(magic), g.version, c.options.PlanVersion)
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
func (c *Cache[P]) Restore(r io.Reader) (int, error) { return c.restore(&source{from: r}) }

// RestoreFile restores from a file.
func (c *Cache[P]) RestoreFile(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return c.Restore(f)
}

// Mapped is a file in memory. An arena.Mapping is one.
type Mapped interface {
	Len() int
	View(offset, n int, read func([]byte) error) error
}

// RestoreMapped restores from a file in memory. RestoreFile is faster for a file that is
// not mapped yet: it reads through a small buffer, and page faults cost more.
func (c *Cache[P]) RestoreMapped(m Mapped) (n int, err error) {
	err = m.View(0, m.Len(), func(data []byte) (err error) {
		n, err = c.restore(&source{rest: data})
		return err
	})
	return n, err
}

func (c *Cache[P]) restore(s *source) (n int, err error) {
	if c.options.Codec == nil {
		return 0, ErrNoCodec
	}
	if c.ctx.Err() != nil {
		return 0, ErrClosed
	}
	g := c.current.Load()
	type saved struct {
		key  Key
		uses uint32
		made made[P]
	}
	var plans []saved
	head, err := s.file(func(head versions, r record) {
		there := g.table.Load().find(c.hashOf(&r.key), &r.key) != nil
		if head != (versions{g.version, c.options.PlanVersion}) || len(r.plan) == 0 || there {
			return
		}
		if m, err := c.revive(r.key, r); err == nil {
			m.cost = r.cost
			plans = append(plans, saved{r.key, r.uses, m})
		}
	})
	if err != nil {
		return 0, err
	}
	if head.schema != g.version {
		return 0, fmt.Errorf("%w: %q, and the cache is for %q", ErrSchema, head.schema, g.version)
	}
	if head.plan != c.options.PlanVersion {
		return 0, fmt.Errorf("%w: %q, and that of the cache is %q", ErrPlanVersion, head.plan, c.options.PlanVersion)
	}
	// The least used first, as they came into the cache.
	for _, p := range slices.Backward(plans) {
		e := c.entry(p.key, p.made)
		if e == nil {
			continue
		}
		e.uses.Store(p.uses)
		if g.put(e, func() bool { return g.hasPlan(&e.key) }) {
			n++
		}
	}
	return n, nil
}

// versions are what a file is for.
type versions struct{ schema, plan string }

// file reads what Save has written. What it has passed on is good if it returns no error.
func (s *source) file(each func(head versions, r record)) (head versions, err error) {
	damaged := func(err error) (versions, error) {
		if errors.Is(err, errTruncated) || errors.Is(err, errNumber) || errors.Is(err, errTooLong) {
			err = fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return head, err
	}
	if begin, err := s.next(uint64(len(magic))); err != nil || string(begin) != magic {
		if err != nil && !errors.Is(err, errTruncated) {
			return head, err
		}
		return head, fmt.Errorf("%w: the header is missing", ErrFormat)
	}
	if err := s.texts(&head.schema, &head.plan); err != nil {
		return damaged(err)
	}
	count, err := s.number(math.MaxInt64)
	if err != nil {
		return damaged(err)
	}
	for range count {
		r, err := s.record()
		if err != nil {
			return damaged(err)
		}
		each(head, r)
	}
	want := s.sum
	sum, err := s.next(4)
	if err != nil {
		return damaged(err)
	}
	if got := binary.LittleEndian.Uint32(sum); got != want {
		return head, fmt.Errorf("%w: its sum is %08x, not %08x", ErrFormat, got, want)
	}
	if _, err := s.next(1); !errors.Is(err, errTruncated) {
		if err == nil {
			err = errTooLong
		}
		return damaged(err)
	}
	return head, nil
}

// Queries reads what Save has written, of whatever version of the schema and with or
// without plans, for Warm: the queries that are used most first. Keys are whole.
func Queries(r io.Reader) (iter.Seq[Key], error) {
	var keys []Key
	if _, err := (&source{from: r}).file(func(_ versions, r record) { keys = append(keys, r.key) }); err != nil {
		return nil, err
	}
	return slices.Values(keys), nil
}
