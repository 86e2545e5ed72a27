package dataloader_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool/dataloader"
	"go.uber.org/goleak"
)

// outcome is what Load of a key returns.
type outcome struct {
	value int
	err   error // nil, or what errors.Is finds in the error; errAny for any
	kept  bool
}

var errAny = errors.New("any error")

func (o outcome) matches(value int, err error) bool {
	if o.err == nil || err == nil {
		return o.err == nil && err == nil && value == o.value
	}
	return value == 0 && (errors.Is(o.err, errAny) || errors.Is(err, o.err))
}

// model is a loader that keeps a map, and a fetch whose outcomes are random.
type model struct {
	t       *testing.T
	random  *rand.Rand
	serial  int
	kept    map[int]outcome
	expects []int // the keys of the next fetch
	fetched map[int]outcome
}

func (m *model) next() int { m.serial++; return m.serial }

// outcome returns the one of a key that has a value or none.
func (m *model) found(values map[int]int, key int, none outcome) outcome {
	if m.random.IntN(3) == 0 {
		return none
	}
	values[key] = m.next()
	return outcome{value: values[key], kept: true}
}

func (m *model) fetch(_ context.Context, keys []int) (map[int]int, error) {
	if !slices.Equal(keys, m.expects) {
		m.t.Errorf("fetch of %v, want %v", keys, m.expects)
	}
	m.expects, m.fetched = nil, map[int]outcome{}
	values := map[int]int{99: 99} // Nobody asked for 99.
	broken := fmt.Errorf("broken %d", m.next())
	missing := outcome{err: dataloader.ErrNotFound, kept: true}
	all := func(o outcome) {
		for _, key := range keys {
			m.fetched[key] = o
		}
	}
	switch way := m.random.IntN(8); way {
	case 0:
		all(outcome{err: errAny})
		panic(broken)
	case 1:
		all(outcome{err: errAny})
		runtime.Goexit()
		return nil, nil
	case 2:
		all(missing)
		return nil, nil
	case 3: // An error, beside values.
		for _, key := range keys {
			m.fetched[key] = m.found(values, key, outcome{err: broken})
		}
		return values, broken
	case 4, 5, 6: // Errors of keys: alone, wrapped, beside another one.
		failed := dataloader.KeyErrors[int]{98: broken}
		none := missing
		if way == 6 {
			none = outcome{err: broken}
		}
		for _, key := range keys {
			m.fetched[key] = m.found(values, key, none)
			switch m.random.IntN(6) {
			case 0, 1:
				failed[key] = fmt.Errorf("broken %d of %d", m.next(), key)
				m.fetched[key] = outcome{err: failed[key]}
			case 2:
				failed[key] = fmt.Errorf("no user %d: %w", key, dataloader.ErrNotFound)
				m.fetched[key] = outcome{err: failed[key], kept: true}
			case 3:
				failed[key] = nil
			}
		}
		switch way {
		case 4:
			return values, failed
		case 5:
			return values, fmt.Errorf("users: %w", failed)
		default:
			return values, errors.Join(broken, failed)
		}
	default:
		for _, key := range keys {
			m.fetched[key] = m.found(values, key, missing)
		}
		return values, nil
	}
}

// want returns what loading keys returns, once it has happened.
func (m *model) want(keys []int) func() []outcome {
	for _, key := range keys {
		if _, kept := m.kept[key]; !kept && !slices.Contains(m.expects, key) {
			m.expects = append(m.expects, key)
		}
	}
	return func() []outcome {
		if m.expects != nil {
			m.t.Errorf("%v were not fetched", m.expects)
		}
		list := make([]outcome, len(keys))
		for i, key := range keys {
			var known bool
			if list[i], known = m.kept[key]; !known {
				list[i] = m.fetched[key]
			}
		}
		for key, o := range m.fetched {
			if o.kept {
				m.kept[key] = o
			}
		}
		m.fetched = nil
		return list
	}
}

// What a loader returns is what a map that is filled by the same fetches returns: values
// and ErrNotFound are kept, errors are not, and nothing that is known is fetched.
func TestModel(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for seed := range uint64(200) {
		m := &model{t: t, random: rand.New(rand.NewPCG(seed, 0)), kept: map[int]outcome{}}
		l := dataloader.New(m.fetch, dataloader.Options{})
		for range 50 {
			key := m.random.IntN(8)
			switch m.random.IntN(6) {
			case 0:
				l.Clear(key)
				delete(m.kept, key)
			case 1:
				value := m.next()
				l.Prime(key, value)
				if _, kept := m.kept[key]; !kept {
					m.kept[key] = outcome{value: value, kept: true}
				}
			case 2, 3:
				want := m.want([]int{key})
				value, err := l.Load(t.Context(), key)
				if o := want()[0]; !o.matches(value, err) {
					t.Errorf("seed %d: key %d is %d, %v, want %+v", seed, key, value, err, o)
				}
			default:
				keys := make([]int, m.random.IntN(6))
				for i := range keys {
					keys[i] = m.random.IntN(8)
				}
				want := m.want(keys)
				values, err := l.LoadAll(t.Context(), keys)
				first := outcome{}
				for i, o := range want() {
					if o.err != nil && first.err == nil {
						first = o
					}
					if o.value != values[i] {
						t.Errorf("seed %d: %v are %v, want %d of %d", seed, keys, values, o.value, keys[i])
					}
				}
				if !first.matches(0, err) {
					t.Errorf("seed %d: %v: %v, want %+v", seed, keys, err, first)
				}
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

// failure is an error of one fetch.
type failure struct{ seen atomic.Int64 } // when somebody had it first

func (f *failure) Error() string { return "broken" }

// crowd is many callers of one loader, and what they have seen.
type crowd struct {
	t       *testing.T
	clock   atomic.Int64
	slow    bool
	loader  *dataloader.Loader[int, int64]
	cleared [crowdKeys]atomic.Int64 // when the last Clear that has ended began

	mu   sync.Mutex
	seen map[int]int64 // the value of each key, 0 for none, where it must not change
}

const crowdKeys = 20

// fetch returns the times at which it began as values.
func (c *crowd) fetch(ctx context.Context, keys []int) (map[int]int64, error) {
	start := c.clock.Add(1)
	sorted := slices.Clone(keys)
	slices.Sort(sorted)
	if len(slices.Compact(sorted)) < len(keys) {
		c.t.Errorf("a key is twice in %v", keys)
	}
	if c.slow {
		pause := time.After(time.Duration(rand.IntN(int(time.Millisecond))))
		if rand.IntN(2) == 0 {
			<-pause
		} else {
			select {
			case <-pause:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	values, failed := map[int]int64{}, dataloader.KeyErrors[int]{}
	for _, key := range keys {
		switch rand.IntN(5) {
		case 0:
			failed[key] = new(failure)
		case 1:
		default:
			values[key] = start
		}
	}
	for i := range keys {
		keys[i] = -1 // They are the fetch's own.
	}
	switch rand.IntN(6) {
	case 0:
		return values, new(failure)
	case 1:
		panic(new(failure))
	case 2:
		return values, errors.Join(failed, new(failure))
	default:
		return values, failed
	}
}

// load checks what one caller gets, which may give up.
func (c *crowd) load(ctx context.Context, key int, constant bool) {
	if c.slow && rand.IntN(3) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(int(time.Millisecond))))
		defer cancel()
	}
	cleared := c.cleared[key].Load()
	begin := c.clock.Add(1)
	value, err := c.loader.Load(ctx, key)
	var f *failure
	switch {
	case errors.As(err, &f):
		if seen := f.seen.Load(); seen > 0 && begin > seen {
			c.t.Errorf("an error of before is kept for key %d", key)
		}
		f.seen.CompareAndSwap(0, c.clock.Add(1))
		return
	case err != nil && !errors.Is(err, dataloader.ErrNotFound):
		if ctx.Err() == nil {
			c.t.Errorf("key %d: %v, of somebody else", key, err)
		}
		return
	case err == nil && value > 0 && value < cleared:
		c.t.Errorf("key %d was fetched at %d, cleared at %d", key, value, cleared)
	}
	if constant {
		c.mu.Lock()
		defer c.mu.Unlock()
		if seen, known := c.seen[key]; known && seen != value {
			c.t.Errorf("key %d was %d and is %d", key, seen, value)
		}
		c.seen[key] = value
	}
}

// run lets many callers do the same.
func (c *crowd) run(do func(key int)) {
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				do(rand.IntN(crowdKeys))
			}
		})
	}
	wg.Wait()
}

// Many callers at the same time, some of whom give up, with fetches of all outcomes: values
// do not change until Clear, errors are of fetches that had not ended when Load began, and
// what is fetched after Clear is not of before.
func TestCrowd(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for round := range 8 {
		c := &crowd{t: t, slow: round%2 == 1, seen: map[int]int64{}}
		c.loader = dataloader.New(c.fetch, dataloader.Options{MaxBatch: 1 + 3*(round%3)})
		c.run(func(key int) {
			if rand.IntN(50) == 0 {
				c.loader.Prime(key, -c.clock.Add(1)) // Not a time of a fetch.
				return
			}
			c.load(t.Context(), key, true)
		})
		c.run(func(key int) {
			switch rand.IntN(10) {
			case 0:
				now := c.clock.Add(1)
				c.loader.Clear(key)
				for old := c.cleared[key].Load(); old < now && !c.cleared[key].CompareAndSwap(old, now); {
					old = c.cleared[key].Load()
				}
			case 1:
				if _, err := c.loader.LoadAll(t.Context(), []int{key, (key + 1) % crowdKeys, key}); errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			default:
				c.load(t.Context(), key, false)
			}
		})
	}
}
