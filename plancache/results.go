package plancache

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// Results caches the results of queries, which is wrong for most of them: a result is
// right until something that it shows changes. It is for those that change seldom or may
// be a little old. It is safe for concurrent use.
type Results struct {
	options ResultsOptions
	values  *large[result]
	flights flights[string, []byte]
	tasks   tasks
	notes   notifier
	level   *level // nil if nothing carries invalidations
	ctx     context.Context
	stop    context.CancelFunc
	tags    tagClock
	sharing atomic.Pointer[talliedSharing] // nil until Share

	hits, misses, fills, failures, errors atomic.Uint64
}

// ResultsOptions configures [Results]. Bytes and TTL are needed.
type ResultsOptions struct {
	// Bytes bounds the results, with their keys and tags, and with the room that is left in
	// their slices. One that is larger than a 16th of it is kept only if it is asked for more
	// than those in whose place it comes, and one that is larger than 15 16ths is not kept.
	Bytes int64
	// TTL is how long a result is good.
	TTL time.Duration
	// Invalidator carries invalidations between the caches of a fleet. It may be the Store or
	// the Invalidator of plans. The results themselves are not shared: a store cannot say
	// whether a result was begun before a tag was invalidated.
	Invalidator Invalidator
	// StoreTimeout bounds a call of Invalidator, 50 ms by default, also of one that ignores
	// its context.
	StoreTimeout time.Duration
	// OnError is called with the errors of Invalidator that no caller gets, one call at a time,
	// on a goroutine of its own. If calls block, further errors are only counted.
	OnError func(error)
}

// resultNotes is how many calls of OnError may wait.
const resultNotes = 1000

type result struct {
	data  []byte
	tags  []string // as keys, see tags.go
	since uint64   // on the clock, from before it was made
}

// ResultKey identifies a result. All fields are compared.
type ResultKey struct {
	Query, Operation string
	Variables        []byte // as they came, or better in a canonical form
	Extra            string // what else the result depends on, such as the user
	Schema           string // the version of the schema, see [Results.InvalidateSchema]
}

func (k ResultKey) text() string {
	return join(k.Query, k.Operation, string(k.Variables), k.Extra, k.Schema)
}

// NewResults returns a cache, which the caller must close. If it has an
// Invalidator, it waits for up to StoreTimeout until it listens to it.
func NewResults(o ResultsOptions) (*Results, error) {
	switch {
	case o.Bytes <= 0 || o.TTL <= 0:
		return nil, fmt.Errorf("plancache: Bytes is %d and TTL is %v: both must be positive", o.Bytes, o.TTL)
	case o.StoreTimeout < 0:
		return nil, fmt.Errorf("plancache: StoreTimeout is %v: it must not be negative", o.StoreTimeout)
	case o.StoreTimeout == 0:
		o.StoreTimeout = defaultStoreTimeout
	}
	values, err := newLarge[result](o.Bytes)
	if err != nil {
		return nil, err
	}
	r := &Results{options: o, values: values, tags: tagClock{last: map[string]uint64{}}}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.flights.tasks = &r.tasks
	r.notes.tasks, r.notes.limit = &r.tasks, resultNotes*noteWeight
	if o.Invalidator != nil {
		r.level = &level{carrier: o.Invalidator, timeout: o.StoreTimeout, failed: r.report}
		l := &listener{level: r.level, what: "invalidations", take: r.receive, purge: r.Purge}
		l.start(r.ctx, &r.tasks)
	}
	return r, nil
}

// Get returns a result, which must not be changed.
func (r *Results) Get(key ResultKey) ([]byte, bool) { return r.get(key.text()) }

func (r *Results) get(key string) ([]byte, bool) {
	v, ok := r.values.get(key)
	if !ok || !r.tags.good(v) {
		r.misses.Add(1)
		return nil, false
	}
	r.hits.Add(1)
	r.sharing.Load().use(key)
	return v.data, true
}

// Load returns a result, and makes it if there is none: once, however many ask for it.
// Fill returns also the tags of what the result shows. What is invalidated while fill
// runs is not kept.
//
// Each caller waits as long as its own context; when no waiters are left, fill's context
// ends, which has the values of the first caller's. The data is the cache's, and must not
// be changed.
func (r *Results) Load(
	ctx context.Context, key ResultKey, fill func(context.Context) (data []byte, tags []string, err error),
) ([]byte, error) {
	if ctx == nil || fill == nil {
		return nil, missing(ctx, fill == nil)
	}
	text := key.text()
	if data, ok := r.get(text); ok {
		return data, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	one := r.flights.join(ctx, text, text, func(ctx context.Context, one *call[string, []byte]) {
		v := result{since: r.tags.now()}
		if again, ok := r.values.get(text); ok && r.tags.good(again) {
			one.finish(again.data, nil) // It has come in since it was looked for.
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if r.ctx.Err() == nil {
			defer context.AfterFunc(r.ctx, cancel)()
		}
		r.fills.Add(1)
		_, err := protect(ctx, func(ctx context.Context) (_ struct{}, err error) {
			v.data, v.tags, err = fill(ctx)
			return struct{}{}, err
		})
		if err != nil {
			r.failures.Add(1)
		} else {
			r.put(text, key.Schema, v)
		}
		one.finish(v.data, err)
	})
	return one.wait(ctx)
}

func (r *Results) put(key, schema string, v result) {
	tags := make([]string, 0, len(v.tags)+2)
	for _, tag := range v.tags {
		tags = append(tags, tagKey(tag))
	}
	tags = append(tags, resultKey(key), versionKey(schema)+"*")
	size := int64(cap(v.data))
	for _, tag := range tags {
		size += int64(len(tag)) + 16
	}
	if v.tags = tags; r.tags.good(v) {
		r.values.put(key, v, size, r.options.TTL)
	}
}

// Invalidate ends all results with one of the tags, and those of them that are being made, here
// and in all caches that share the Invalidator. It returns the errors of that one; here the
// results have ended in any case.
func (r *Results) Invalidate(ctx context.Context, tags ...string) error {
	keys := make([]string, len(tags))
	for i, tag := range tags {
		keys[i] = tagKey(tag)
	}
	return r.endEverywhere(ctx, keys...)
}

// Delete is Invalidate for the result of one key.
func (r *Results) Delete(ctx context.Context, key ResultKey) error {
	return r.endEverywhere(ctx, resultKey(key.text()))
}

// InvalidateSchema is Invalidate for all results of a version of the schema. So is
// [Cache.InvalidateSchema] of plans that share the Invalidator.
func (r *Results) InvalidateSchema(ctx context.Context, version string) error {
	return r.endEverywhere(ctx, versionKey(version)+"*")
}

func (r *Results) endEverywhere(ctx context.Context, keys ...string) error {
	if ctx == nil {
		return missing(ctx, false)
	}
	r.end(keys...)
	if r.level == nil {
		return nil
	}
	return r.level.deleteEach(ctx, keys)
}

// Purge ends all results here.
func (r *Results) Purge() {
	r.tags.endAll()
	r.flights.forget(func(string) bool { return true })
}

// end ends results here. Callers that ask from now on do not get what is being made: its tags
// are not known yet.
func (r *Results) end(keys ...string) {
	r.tags.end(keys)
	r.flights.forget(func(string) bool { return true })
}

// receive takes in what another cache has invalidated.
func (r *Results) receive(key string) {
	switch {
	case isTag(key):
		r.end(key)
	case mayBeTags(key):
		r.Purge()
	default:
		return
	}
	r.level.invalidations.Add(1)
}

func (r *Results) report(err error) {
	r.errors.Add(1)
	r.notes.report(r.options.OnError, err, func(error) { r.errors.Add(1) })
}

// Stats returns how many results were there and how many were not.
func (r *Results) Stats() (hits, misses uint64) { return r.hits.Load(), r.misses.Load() }

// Metrics implements [gqlboost.Source].
func (r *Results) Metrics() iter.Seq[gqlboost.Metric] { return metric.Sequence(r.metrics) }

func (r *Results) metrics() (list []gqlboost.Metric) {
	add := func(name, unit, help string, value uint64, attrs ...gqlboost.Attr) {
		list = append(list, gqlboost.Metric{
			Name: "gqlboost.results." + name, Unit: unit, Help: help,
			Kind: gqlboost.Counter, Value: float64(value), Attrs: attrs,
		})
	}
	result := func(v string) gqlboost.Attr { return gqlboost.Attr{Key: "result", Value: v} }
	add("lookups", "{lookup}", "Results that were asked for.", r.hits.Load(), result("hit"))
	add("lookups", "{lookup}", "Results that were asked for.", r.misses.Load(), result("miss"))
	add("fills", "{fill}", "Results that were made.", r.fills.Load()-r.failures.Load(), result("ok"))
	add("fills", "{fill}", "Results that were made.", r.failures.Load(), result("error"))
	add("invalidations", "{invalidation}", "Tags that were invalidated.", r.tags.count.Load())
	add("errors", "{error}", "Errors of the Invalidator and of OnError.", r.errors.Load())
	return append(list, usesMetrics(r.sharing.Load().inner(), "gqlboost.results.")...)
}

// Close ends fills, and what listens to the Invalidator. It waits for functions that still
// run for up to a second; the error says how many run on.
func (r *Results) Close() error {
	r.stop()
	r.tasks.close()
	n := r.tasks.wait(closePatience)
	r.values.close()
	if n > 0 {
		return fmt.Errorf("plancache: results closed, and %d functions still run", n)
	}
	return nil
}
