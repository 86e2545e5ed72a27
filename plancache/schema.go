package plancache

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"slices"
	"sync"
)

type schemaKey struct{}

// WithSchema returns a context that says which version of the schema a plan is for that
// is given to Add.
func WithSchema(ctx context.Context, version string) context.Context {
	return context.WithValue(ctx, schemaKey{}, version)
}

func schemaOf(ctx context.Context) (string, bool) {
	version, ok := ctx.Value(schemaKey{}).(string)
	return version, ok
}

// SchemaVersion returns the version of the schema that a build is for, from its context.
func SchemaVersion(ctx context.Context) string {
	version, _ := schemaOf(ctx)
	return version
}

// HashSchema makes a version of a schema's text: texts that differ in white space, commas
// and comments only have the same.
func HashSchema(sdl string) string {
	sum := sha256.Sum256([]byte(Normalize(sdl)))
	return hex.EncodeToString(sum[:16])
}

// Switch says how a cache changes to another version of the schema. Zero fields have
// defaults.
type Switch[P any] struct {
	// Keep tells of a plan whether it is good for the new version as well.
	Keep func(Key, P) bool
	// Rebuild makes a plan for the new version. Without it plans are made when they are
	// asked for.
	Rebuild func(context.Context, Key) (P, error)
	// Most is how many plans are rebuilt at most, those that are used most; by default
	// all.
	Most int
	// Concurrency is how many are rebuilt at a time, by default as many as there are
	// processors.
	Concurrency int
	// Progress is called after each of them, one call at a time. Queries that the new
	// schema refuses count as done.
	Progress func(done, total int)
}

// SetSchema changes to another version of the schema. Before, it makes plans for it, with
// rebuild, of the queries that are used most, while the old ones are still served: so the
// change causes no storm of builds. A rebuild that is nil makes it change at once. No
// Load or Get that starts after SetSchema has returned gets a plan of another version.
//
// If the context ends meanwhile, the change is made at once, with what has been rebuilt,
// and the error is the context's. Queries that cannot be rebuilt are left out.
func (c *Cache[P]) SetSchema(ctx context.Context, version string, rebuild func(ctx context.Context, query string) (P, error)) error {
	s := Switch[P]{}
	if rebuild != nil {
		s.Rebuild = func(ctx context.Context, key Key) (P, error) { return rebuild(ctx, key.Query) }
	}
	return c.SwitchSchema(ctx, version, s)
}

// SwitchSchema is SetSchema with more to say.
func (c *Cache[P]) SwitchSchema(ctx context.Context, version string, s Switch[P]) error {
	c.switching.Lock()
	defer c.switching.Unlock()
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return ErrClosed
	}
	old := c.current.Load()
	if version == old.version {
		return nil
	}
	next := newGeneration(c, version)
	next.tick()
	err := c.carry(WithSchema(ctx, version), old, next, s)
	c.counts.switches.Add(1)
	c.replace(next, Outdated)
	return err
}

// Schema returns the current version.
func (c *Cache[P]) Schema() string { return c.current.Load().version }

// carry brings what it can from one generation to the next.
func (c *Cache[P]) carry(ctx context.Context, old, next *generation[P], s Switch[P]) error {
	var work []*entry[P]
	for _, e := range byUse(old.entries()) {
		switch {
		case e.err != nil:
		case s.Keep != nil && s.Keep(e.key, e.plan):
			c.take(next, e, e.plan)
		case s.Rebuild != nil:
			work = append(work, e)
		}
	}
	if s.Most > 0 {
		work = work[:min(len(work), s.Most)]
	}
	if s.Concurrency <= 0 {
		s.Concurrency = runtime.GOMAXPROCS(0)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	done := 0
	jobs := make(chan *entry[P])
	for range min(s.Concurrency, len(work)) {
		wg.Go(func() {
			for e := range jobs {
				plan, err := protect(ctx, func(ctx context.Context) (P, error) { return s.Rebuild(ctx, e.key) })
				if err == nil {
					c.take(next, e, plan)
				}
				mu.Lock()
				if done++; s.Progress != nil {
					s.Progress(done, len(work))
				}
				mu.Unlock()
			}
		})
	}
	for _, e := range work {
		if ctx.Err() != nil {
			break
		}
		jobs <- e
	}
	close(jobs)
	wg.Wait()
	return ctx.Err()
}

// take adds a plan to a generation, with the history of another one's entry.
func (c *Cache[P]) take(next *generation[P], from *entry[P], plan P) {
	e := &entry[P]{key: from.key, hash: from.hash, plan: plan, cost: from.cost}
	next.put(e, c.ttl(e.key, plan))
	e.uses.Store(from.uses.Load())
}

// byUse sorts entries by how much they are used, most first.
func byUse[P any](list []*entry[P]) []*entry[P] {
	type ranked struct {
		entry *entry[P]
		uses  uint32
	}
	order := make([]ranked, len(list))
	for i, e := range list {
		order[i] = ranked{e, e.uses.Load()}
	}
	slices.SortFunc(order, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.uses, a.uses), cmp.Compare(a.entry.key.Query, b.entry.key.Query))
	})
	for i, r := range order {
		list[i] = r.entry
	}
	return list
}
