package plancache

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Results caches the results of queries, which is wrong for most of them: a result is
// right until something that it shows changes. It is for those that change seldom or may
// be a little old. It is safe for concurrent use.
type Results struct {
	values *large[result]
	ttl    time.Duration

	clock atomic.Uint64 // counts invalidations
	mu    sync.RWMutex
	tags  map[string]uint64 // when a tag was invalidated last
	floor uint64            // what is older is over

	calls        sync.Mutex
	loading      map[string]*loadingResult
	hits, misses atomic.Uint64
}

type result struct {
	data  []byte
	tags  []string
	since uint64 // on the clock, from before it was made
}

type loadingResult struct {
	since uint64
	done  chan struct{}
	data  []byte
	err   error
}

// ResultKey is what a result is for. All of it is compared.
type ResultKey struct {
	Query, Operation string
	Variables        []byte // as they came, or better in a canonical form
	Extra            string // what else the result depends on, such as the user
}

func (k ResultKey) text() string {
	var b []byte
	for _, s := range []string{k.Query, k.Operation, string(k.Variables), k.Extra} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return string(b)
}

// maxTags bounds how many tags are remembered that were invalidated.
const maxTags = 100_000

// NewResults makes a cache of up to so many bytes, in which a result is good for ttl at
// most. It is to be closed.
func NewResults(bytes int64, ttl time.Duration) (*Results, error) {
	if bytes <= 0 || ttl <= 0 {
		return nil, errors.New("plancache: results need a bound of their bytes and of their time")
	}
	values, err := newLarge[result](bytes)
	if err != nil {
		return nil, err
	}
	return &Results{values: values, ttl: ttl, tags: map[string]uint64{}, loading: map[string]*loadingResult{}}, nil
}

// Get returns a result, which must not be changed.
func (r *Results) Get(key ResultKey) ([]byte, bool) { return r.get(key.text()) }

func (r *Results) get(key string) ([]byte, bool) {
	v, ok := r.values.get(key)
	if !ok || !r.good(v) {
		r.misses.Add(1)
		return nil, false
	}
	r.hits.Add(1)
	return v.data, true
}

// good tells whether nothing that a result shows was invalidated since it was begun.
func (r *Results) good(v result) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if v.since < r.floor {
		return false
	}
	for _, tag := range v.tags {
		if r.tags[tag] > v.since {
			return false
		}
	}
	return true
}

// Load returns a result, and makes it if there is none: once, however many ask for it.
// Fill returns also the tags of what the result shows. What is invalidated while fill
// runs is not kept.
//
// Fill runs with the context of the first caller, without its end; each caller waits as
// long as its own context. The data is the cache's, and must not be changed.
func (r *Results) Load(ctx context.Context, key ResultKey, fill func(context.Context) (data []byte, tags []string, err error)) ([]byte, error) {
	text := key.text()
	if data, ok := r.get(text); ok {
		return data, nil
	}
	since := r.clock.Load()
	r.calls.Lock()
	one := r.loading[text]
	if one == nil || one.since < since { // What began before an invalidation may be old.
		one = &loadingResult{since: since, done: make(chan struct{})}
		r.loading[text] = one
		go r.fill(context.WithoutCancel(ctx), text, one, fill)
	}
	r.calls.Unlock()
	select {
	case <-one.done:
		return one.data, one.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *Results) fill(ctx context.Context, key string, one *loadingResult, fill func(context.Context) ([]byte, []string, error)) {
	one.err = errGoexit
	defer func() {
		r.calls.Lock()
		if r.loading[key] == one {
			delete(r.loading, key)
		}
		r.calls.Unlock()
		close(one.done)
	}()
	v, err := protect(ctx, func(ctx context.Context) (v result, err error) {
		v.since = one.since
		v.data, v.tags, err = fill(ctx)
		return v, err
	})
	if one.data, one.err = v.data, err; err == nil {
		r.put(key, v)
	}
}

func (r *Results) put(key string, v result) {
	if !r.good(v) {
		return
	}
	size := int64(len(v.data))
	for _, tag := range v.tags {
		size += int64(len(tag)) + 16
	}
	r.values.put(key, v, size, r.ttl)
}

// Invalidate ends all results with one of the tags, and those of them that are being
// made.
func (r *Results) Invalidate(tags ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Add(1)
	if len(r.tags)+len(tags) > maxTags {
		r.tags, r.floor = map[string]uint64{}, now
	}
	for _, tag := range tags {
		r.tags[tag] = now
	}
}

// Stats returns how many results were there and how many were not.
func (r *Results) Stats() (hits, misses uint64) { return r.hits.Load(), r.misses.Load() }

// Close ends what ristretto has running.
func (r *Results) Close() error {
	r.values.close()
	return nil
}
