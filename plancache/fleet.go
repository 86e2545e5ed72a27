package plancache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// WarmOptions bounds what a new instance takes from its fleet. Zero fields have defaults.
type WarmOptions struct {
	// Most is how many keys are taken, those that are used most: by default Uses.Most. A
	// [Cache] takes no more than its Capacity.
	Most int
	// Bytes bounds the keys, 16 MiB by default.
	Bytes int
	// Concurrency is how many are built at a time, by default as many as there are processors.
	Concurrency int
	// Timeout bounds all of it, 10 s by default.
	Timeout time.Duration
}

const (
	defaultWarmBytes   = 16 << 20
	defaultWarmTimeout = 10 * time.Second
)

func (o *WarmOptions) check(u *Uses) error {
	if o.Most < 0 || o.Bytes < 0 || o.Concurrency < 0 || o.Timeout < 0 {
		return fmt.Errorf("plancache: a bound of WarmOptions is negative: Most %d, Bytes %d, Concurrency %d, Timeout %v",
			o.Most, o.Bytes, o.Concurrency, o.Timeout)
	}
	o.Most = cmp.Or(o.Most, u.Most)
	o.Bytes = cmp.Or(o.Bytes, defaultWarmBytes)
	o.Concurrency = cmp.Or(o.Concurrency, runtime.GOMAXPROCS(0))
	o.Timeout = cmp.Or(o.Timeout, defaultWarmTimeout)
	return nil
}

// Warmed is what has become of the keys that came from a fleet.
type Warmed struct {
	Built   int // here
	Fetched int // from the second level, or built by another caller
	Present int // before
	Failed  int // to build: texts that this instance refuses, and panics
	Invalid int // that are not keys, or are too large
	Left    int // for which there was no time
}

func (w *Warmed) add(o Warmed) {
	w.Built += o.Built
	w.Fetched += o.Fetched
	w.Present += o.Present
	w.Failed += o.Failed
	w.Invalid += o.Invalid
	w.Left += o.Left
}

// neighbors is how many keys of about the same use are taken in a random order.
const neighbors = 128

// shuffle makes the order random, so that instances that start together do not build the same
// at the same time. What is used most still comes early: there may be no time for the rest.
func shuffle[T any](list []T) {
	for len(list) > 0 {
		part := list[:min(len(list), neighbors)]
		rand.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
		list = list[len(part):]
	}
}

// warming takes keys from a fleet.
type warming struct {
	sharing *sharing
	options WarmOptions

	mu     sync.Mutex
	warmed Warmed
	errs   []error
	failed int // with those that are not in errs
}

// mostErrors is how many errors are told of one by one.
const mostErrors = 8

// fail notes an error.
func (w *warming) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed++; len(w.errs) < mostErrors {
		w.errs = append(w.errs, err)
	}
}

// members returns the members of groups that are used most: those of the first group first.
func (w *warming) members(ctx context.Context, groups func(context.Context) ([]string, error)) (list []string) {
	known := map[string]bool{}
	bytes := w.options.Bytes
	names, err := groups(ctx)
	for _, name := range names {
		if len(list) >= w.options.Most {
			break
		}
		uses, failed := w.sharing.top(ctx, name, w.options.Most, bytes)
		if failed != nil { // The others are of the same ranking.
			err = cmp.Or(err, failed)
			break
		}
		for _, u := range uses {
			switch {
			case known[u.Member] || len(list) >= w.options.Most:
			case len(u.Member) > w.sharing.uses.MaxKey || len(u.Member) > bytes:
				w.warmed.Invalid++
			default:
				known[u.Member] = true
				bytes -= len(u.Member)
				list = append(list, u.Member)
			}
		}
	}
	if err != nil {
		w.fail(fmt.Errorf("plancache: what the fleet uses: %w", err))
	}
	return list
}

// outcome says what has become of a key.
type outcome func(*Warmed) *int

func built(w *Warmed) *int   { return &w.Built }
func fetched(w *Warmed) *int { return &w.Fetched }
func present(w *Warmed) *int { return &w.Present }
func failed(w *Warmed) *int  { return &w.Failed }
func left(w *Warmed) *int    { return &w.Left }

// warm takes what is used most of groups, in an order that is random among neighbors. It returns
// when the time is over, whatever the functions do.
func warm[K any](
	ctx context.Context, s *sharing, o WarmOptions, groups func(context.Context) ([]string, error),
	parse func(member string) (K, bool), get func(context.Context, K) (outcome, error),
) (Warmed, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	w := &warming{sharing: s, options: o}
	var keys []K
	for _, m := range w.members(ctx, groups) {
		if key, ok := parse(m); ok {
			keys = append(keys, key)
		} else {
			w.warmed.Invalid++
		}
	}
	shuffle(keys)
	jobs := make(chan K, len(keys))
	for _, key := range keys {
		jobs <- key
	}
	close(jobs)
	var wg sync.WaitGroup
	for range min(o.Concurrency, len(keys)) {
		wg.Go(func() {
			for key := range jobs {
				w.one(ctx, func() (outcome, error) { return get(ctx, key) })
			}
		})
	}
	wg.Wait()
	s.note(w.warmed)
	return w.warmed, w.err(ctx)
}

// one gets the plan of a key, unless the time is over.
func (w *warming) one(ctx context.Context, get func() (outcome, error)) {
	became := left
	if ctx.Err() == nil {
		var err error
		switch became, err = get(); {
		case err == nil:
		case ctx.Err() != nil:
			became = left
		default:
			became = failed
			w.fail(err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	*became(&w.warmed)++
}

func (w *warming) err(ctx context.Context) error {
	errs := w.errs
	if more := w.failed - len(errs); more > 0 {
		errs = append(errs, fmt.Errorf("plancache: %d further errors of warming", more))
	}
	if w.warmed.Left > 0 {
		errs = append(errs, fmt.Errorf("plancache: warming has left out %d keys: %w", w.warmed.Left, ctx.Err()))
	}
	return errors.Join(errs...)
}
