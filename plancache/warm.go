package plancache

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Warm builds the plans of keys that are not cached, as many at a time as there are
// processors, and returns how many were built. An error or a panic of a build leaves its
// key out; all of them are in the error, joined. When the context ends, Warm does. After Close
// the error is [ErrClosed]: what is built would not be kept.
func (c *Cache[P]) Warm(
	ctx context.Context, keys iter.Seq[Key], build func(context.Context, Key) (P, error),
) (built int, err error) {
	switch {
	case ctx == nil || build == nil:
		return 0, missing(ctx, build == nil)
	case keys == nil:
		return 0, errors.New("plancache: the sequence of keys is nil")
	case c.ctx.Err() != nil:
		return 0, ErrClosed
	}
	jobs := make(chan Key)
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for key := range jobs {
				var own atomic.Bool // The build may go on when the wait has ended.
				_, err := c.Load(ctx, key, func(ctx context.Context) (P, error) { own.Store(true); return build(ctx, key) })
				mu.Lock()
				if err != nil && ctx.Err() == nil {
					errs = append(errs, fmt.Errorf("plancache: %.60q: %w", key.Query, err))
				} else if own.Load() && err == nil {
					built++
				}
				mu.Unlock()
			}
		})
	}
	func() {
		defer close(jobs) // The sequence may panic.
		for key := range keys {
			if ctx.Err() != nil {
				break
			}
			jobs <- key
		}
	}()
	wg.Wait()
	return built, errors.Join(append(errs, ctx.Err())...)
}

// Manifest reads a list of queries for [Cache.Warm], those with the largest weights
// first: an object of JSON in each line, with "query" and, as they are needed,
// "operation", "extra" and "weight". Empty lines are skipped.
func Manifest(r io.Reader) (iter.Seq[Key], error) {
	type line struct {
		Query, Operation, Extra string
		Weight                  float64
	}
	var lines []line
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, err
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			var l line
			d := json.NewDecoder(bytes.NewReader(text))
			d.DisallowUnknownFields()
			if err := d.Decode(&l); err != nil {
				return nil, fmt.Errorf("plancache: manifest, line %d: %w", n, err)
			}
			if _, err := d.Token(); l.Query == "" || !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("plancache: manifest, line %d: it must be one object with a query", n)
			}
			lines = append(lines, l)
		}
		if err == io.EOF {
			break
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(b.Weight, a.Weight) })
	return func(yield func(Key) bool) {
		for _, l := range lines {
			if !yield(Key{l.Query, l.Operation, l.Extra}) {
				return
			}
		}
	}, nil
}
