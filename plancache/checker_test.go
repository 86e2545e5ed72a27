package plancache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// steps is how many steps the checker takes.
func steps() int {
	if os.Getenv("GQLBOOST_LONG") != "" {
		return 10_000_000
	}
	return 40_000
}

// Three instances, two of which share a store that loses, delays, repeats and reorders,
// under random use with a fake clock: no plan is older than it may be, of another schema or
// of another text, and where no store can bring it back none comes back that was deleted.
func TestChecker(t *testing.T) {
	const each = 10_000
	seen := seen{}
	for seed := range uint64(steps() / each) {
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, seed)
			m.run(each)
			seen.add(m.seen)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%+v", seen)
	// A checker that sees nothing proves nothing.
	if n := uint64(steps()); seen.plans < n/4 || seen.fetched < n/500 || seen.stored < n/500 || seen.restored < n/1000 ||
		seen.switches < n/500 || seen.errors < n/200 || seen.invalidations < n/500 || seen.kept < n/1000 {
		t.Errorf("it has seen too little: %+v", seen)
	}
}

// seen is what has happened.
type seen struct {
	plans, fetched, stored, restored, switches, errors, invalidations, kept uint64
}

func (s *seen) add(o seen) {
	s.plans, s.fetched, s.stored, s.restored = s.plans+o.plans, s.fetched+o.fetched, s.stored+o.stored, s.restored+o.restored
	s.switches, s.errors, s.invalidations, s.kept = s.switches+o.switches, s.errors+o.errors, s.invalidations+o.invalidations, s.kept+o.kept
}

// fact is a plan that knows what it is.
type fact struct {
	Query  int
	Schema string // "any" if it is good for all
	Begun  time.Time
	Built  time.Time
}

// model is the caches and what is known of them.
type model struct {
	t      *testing.T
	random *rand.Rand
	ttl    time.Duration
	stale  time.Duration
	caches []*instance
	store  *unreliable
	saved  []byte
	work   sync.WaitGroup

	mu   sync.Mutex
	seen seen
}

// instance is one of the caches.
type instance struct {
	*Cache[fact]
	alone bool // it has no store

	mu       sync.Mutex
	schemas  []string             // all that have been
	changing map[string]int       // to which it is being changed
	deleted  map[string]time.Time // when a text was deleted last
}

const modelQueries = 40

func newModel(t *testing.T, seed uint64) *model {
	random := rand.New(rand.NewPCG(seed, 8))
	m := &model{t: t, random: random, ttl: 400 * time.Millisecond}
	if random.IntN(2) == 0 {
		m.stale = 50 * time.Millisecond
	}
	m.store = &unreliable{memory: newMemory(), random: rand.New(rand.NewPCG(seed, 9)), work: &m.work}
	config := Options[fact]{
		Capacity: 5 + random.IntN(60), TTL: m.ttl, StaleFor: m.stale, Schema: "0", Codec: jsonCodec[fact]{},
		ErrorTTL:  time.Duration(random.IntN(2)) * 20 * time.Millisecond,
		Normalize: random.IntN(2) == 0, PlanVersion: []string{"", "2"}[random.IntN(2)],
		Expire: func(_ Key, p fact) time.Duration { return m.good(p.Query) },
	}
	for i := range 3 {
		one := config
		if i < 2 {
			one.Store = m.store
		}
		c, err := New(one)
		if err != nil {
			t.Fatal(err)
		}
		if i < 2 && seed%2 == 0 { // As short as all the other times: plans that were deleted are shared again.
			c.level.uploads.settling = 20 * time.Millisecond
		}
		m.caches = append(m.caches, &instance{Cache: c, alone: i == 2, schemas: []string{"0"}, changing: map[string]int{}, deleted: map[string]time.Time{}})
	}
	return m
}

// good is how long a query's plan is good.
func (m *model) good(query int) time.Duration {
	if query%3 == 0 {
		return m.ttl / 4
	}
	return m.ttl
}

func (m *model) run(steps int) {
	for range steps {
		m.step(m.caches[m.random.IntN(len(m.caches))])
	}
	time.Sleep(time.Minute)
	for _, c := range m.caches {
		s := c.Stats()
		m.seen.fetched += s.Store.Hits
		m.seen.invalidations += s.Store.Invalidations
		m.seen.switches += s.Switches
		if err := c.Close(); err != nil {
			m.t.Error(err)
		}
	}
	m.seen.stored = m.store.sets
	m.work.Wait()
}

func (m *model) step(c *instance) {
	query := m.random.IntN(modelQueries)
	text := m.text(query)
	build := m.build(query, text)
	switch n := m.random.IntN(200); {
	case n < 90:
		m.load(c, query, text, build)
	case n < 110:
		m.work.Go(func() { m.load(c, query, text, build) })
	case n < 150:
		before := c.now()
		if p, ok := c.Get(m.t.Context(), Key{Query: text}); ok {
			m.check(c, before, query, text, p)
		}
	case n < 160:
		schema := c.Schema()
		if m.random.IntN(3) == 0 { // what was validated for another one
			schema = fmt.Sprint(m.random.IntN(4))
		}
		c.Add(WithSchema(m.t.Context(), schema), Key{Query: text}, m.fact(query, schema, time.Now()))
	case n < 168:
		_ = c.Delete(m.t.Context(), Key{Query: text})
		c.delete(text)
	case n == 168:
		c.Purge()
		c.delete("")
	case n == 169:
		ctx, cancel := context.WithTimeout(m.t.Context(), 10*time.Millisecond)
		_ = c.InvalidateSchema(ctx, fmt.Sprint(m.random.IntN(4)))
		cancel()
	case n < 174:
		m.change(c)()
	case n == 174:
		m.work.Go(m.change(c))
	case n == 175:
		var b bytes.Buffer
		if err := c.Save(&b); err != nil {
			m.t.Error(err)
		}
		if !c.alone { // The one alone must not get back what was deleted.
			m.saved = b.Bytes()
		}
	case n < 178 && !c.alone:
		n, err := c.Restore(bytes.NewReader(m.saved))
		if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrSchema) {
			m.t.Error(err)
		}
		m.seen.restored += uint64(n)
	case n < 179:
		m.store.cut(nil)
	default:
		time.Sleep(time.Duration(m.random.IntN(8000)) * time.Microsecond)
	}
}

// text is a query, in one of several layouts.
func (m *model) text(query int) string {
	space := strings.Repeat(" ", m.random.IntN(3))
	return fmt.Sprintf("{%sq%d(a: \"%d  , #\")%s}", space, query, query, space)
}

func (m *model) fact(query int, schema string, begun time.Time) fact {
	if query%5 == 0 {
		schema = "any"
	}
	return fact{query, schema, begun, time.Now()}
}

// build returns a build, which may take a while and may fail.
func (m *model) build(query int, text string) func(context.Context) (fact, error) {
	takes, fate := time.Duration(m.random.IntN(20))*time.Millisecond, m.random.IntN(30)
	if fate < 15 {
		takes = 0
	}
	return func(ctx context.Context) (fact, error) {
		begun := time.Now()
		time.Sleep(takes)
		switch fate {
		case 28:
			return fact{}, errors.New(text)
		case 29:
			panic(errors.New(text))
		}
		return m.fact(query, SchemaVersion(ctx), begun), nil
	}
}

func (m *model) load(c *instance, query int, text string, build func(context.Context) (fact, error)) {
	ctx, cancel := context.WithTimeout(m.t.Context(), 15*time.Millisecond)
	defer cancel()
	before := c.now()
	p, err := c.Load(ctx, Key{Query: text}, build)
	switch {
	case err == nil:
		m.check(c, before, query, text, p)
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
	default:
		if !strings.HasSuffix(err.Error(), text) {
			m.t.Errorf("the error of %q is %v", text, err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.seen.errors++
	}
}

// change returns a change of the schema.
func (m *model) change(c *instance) func() {
	version := fmt.Sprint(m.random.IntN(4))
	takes, kind := time.Duration(m.random.IntN(3))*time.Millisecond, m.random.IntN(3)
	s := Switch[fact]{}
	if kind > 0 {
		s.Keep = func(_ Key, p fact) bool { return p.Schema == "any" }
	}
	if kind > 1 {
		s.Rebuild = func(ctx context.Context, k Key) (fact, error) {
			var query int
			if _, err := fmt.Sscanf(strings.TrimLeft(k.Query, "{ "), "q%d", &query); err != nil {
				m.t.Error(err)
			}
			begun := time.Now()
			time.Sleep(takes)
			return m.fact(query, SchemaVersion(ctx), begun), nil
		}
	}
	return func() {
		ctx, cancel := context.WithTimeout(m.t.Context(), 5*time.Millisecond)
		defer cancel()
		c.mu.Lock() // It may be the current one from now on, until it has returned.
		c.schemas = append(c.schemas, version)
		c.changing[version]++
		c.mu.Unlock()
		_ = c.SetSchema(ctx, version, s)
		c.mu.Lock()
		c.changing[version]--
		c.mu.Unlock()
	}
}

// moment is a state of an instance.
type moment struct {
	time    time.Time
	schemas []string // one of these is current
	changes int
}

// now returns when a call begins.
func (c *instance) now() moment {
	c.mu.Lock()
	defer c.mu.Unlock()
	possible := []string{c.Schema()}
	for version, n := range c.changing {
		if n > 0 {
			possible = append(possible, version)
		}
	}
	return moment{time.Now(), possible, len(c.schemas)}
}

// delete notes that a text was deleted, or, if it is empty, all of them.
func (c *instance) delete(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted[c.cachedAs(text)] = time.Now()
}

// cachedAs returns the text that the plan of a text is cached under.
func (c *instance) cachedAs(text string) string {
	key := Key{Query: text}
	c.canonical(&key)
	return key.Query
}

// check checks a plan that a call has got, which began at a moment.
func (m *model) check(c *instance, before moment, query int, text string, p fact) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.Query != query {
		m.t.Errorf("the plan of query %d for query %d", p.Query, query)
	}
	if age := now.Sub(p.Built); age > m.good(query)+m.stale {
		m.t.Errorf("a plan of query %d after %v", query, age)
	}
	if p.Schema != "any" && !slices.Contains(before.schemas, p.Schema) && !slices.Contains(c.schemas[before.changes:], p.Schema) {
		m.t.Errorf("a plan for schema %s, and one of %v was current", p.Schema, before.schemas)
	}
	for _, what := range []string{c.cachedAs(text), ""} {
		if gone := c.deleted[what]; c.alone && p.Begun.Before(gone) && gone.Before(before.time) {
			m.t.Errorf("a plan of query %d that was deleted %v ago", query, now.Sub(gone))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.plans++
	if p.Schema == "any" && now.Sub(p.Built) > 0 {
		m.seen.kept++
	}
}

// unreliable is a Store that loses, delays, repeats and reorders what it is told, and never
// forgets a value by itself.
type unreliable struct {
	*memory
	work *sync.WaitGroup

	lock   sync.Mutex
	random *rand.Rand
	old    [][2]string // what was set once
	sets   uint64
}

func (u *unreliable) dice(n int) int {
	u.lock.Lock()
	defer u.lock.Unlock()
	return u.random.IntN(n)
}

// fate delays a call, or fails it.
func (u *unreliable) fate(ctx context.Context) error {
	switch n := u.dice(40); {
	case n == 0:
		return errDown
	case n == 1:
		<-ctx.Done() // It never answers.
		return ctx.Err()
	case n < 6:
		time.Sleep(time.Duration(u.dice(60)) * time.Millisecond) // It ignores its context.
	}
	return nil
}

func (u *unreliable) Get(ctx context.Context, key string) ([]byte, error) {
	if err := u.fate(ctx); err != nil {
		return nil, err
	}
	if n := u.dice(20); n < 2 {
		u.lock.Lock()
		defer u.lock.Unlock()
		for i := len(u.old) - 1; i >= 0; i-- { // An older value, or that of another key.
			if n == 0 || u.old[i][0] == key {
				return []byte(u.old[i][1]), nil
			}
		}
		return nil, ErrNotFound
	}
	return u.memory.Get(ctx, key)
}

func (u *unreliable) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	u.lock.Lock()
	u.sets++
	u.old = append(u.old, [2]string{key, string(value)})
	u.old = u.old[max(0, len(u.old)-200):]
	u.lock.Unlock()
	if err := u.fate(ctx); err != nil {
		return err
	}
	switch u.dice(20) {
	case 0: // lost
		return nil
	case 1, 2: // late, and perhaps twice
		u.later(func(ctx context.Context) { _ = u.memory.Set(ctx, key, value, ttl) })
		if u.dice(2) == 0 {
			return nil
		}
	}
	return u.memory.Set(ctx, key, value, ttl)
}

func (u *unreliable) Delete(ctx context.Context, key string) error {
	if err := u.fate(ctx); err != nil {
		return err
	}
	switch u.dice(20) {
	case 0:
		return nil
	case 1, 2:
		u.later(func(ctx context.Context) { _ = u.memory.Delete(ctx, key) })
		if u.dice(2) == 0 {
			return nil
		}
	}
	return u.memory.Delete(ctx, key)
}

func (u *unreliable) Watch(ctx context.Context) (<-chan string, error) {
	if err := u.fate(ctx); err != nil {
		return nil, err
	}
	return u.memory.Watch(ctx)
}

// later does something after a while.
func (u *unreliable) later(f func(context.Context)) {
	after := time.Duration(u.dice(1000)) * time.Millisecond
	u.work.Go(func() {
		time.Sleep(after)
		f(context.Background())
	})
}
