// Package callers tells data loaders that a known number of callers is on its way, so that a
// batch is fetched as soon as the last of them waits for it: without a timer, and without
// missing one.
//
// An executor that is about to call a resolver for each object of a list makes a [Group] for
// these calls and passes its context to them. Loaders of package dataloader do the rest.
package callers

import (
	"context"
	"slices"
	"sync"
)

// Group is a number of callers. It is safe for concurrent use.
type Group struct {
	mu      sync.Mutex
	running int     // callers that have not returned and do not wait for a batch
	batches []Batch // that some of them wait for, since callers were running
	first   [1]Batch
	context member // the first that Context returns
}

// member is the context of the callers of a group.
type member struct {
	context.Context
	group *Group
}

// Value implements context.Context.
func (m *member) Value(key any) any {
	if key == (groupKey{}) {
		return m.group
	}
	return m.Context.Value(key)
}

// Batch is a batch that callers wait for.
type Batch interface {
	// Expect says that more callers of a group may come.
	Expect()
	// Complete says that none of the group will: each Expect is followed by a Complete.
	Complete()
}

type groupKey struct{}

// New returns a group of n callers. Each of them calls Done when it returns.
func New(n int) *Group {
	g := &Group{running: n}
	g.batches = g.first[:0]
	return g
}

// Context returns a context for the callers.
func (g *Group) Context(ctx context.Context) context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.context.group == nil {
		g.context = member{ctx, g}
		return &g.context
	}
	return &member{ctx, g}
}

// From returns the group that a caller is one of, nil if there is none.
func From(ctx context.Context) *Group {
	g, _ := ctx.Value(groupKey{}).(*Group)
	return g
}

// Without returns a context for what is done on behalf of callers but is none of them.
func Without(ctx context.Context) context.Context {
	if From(ctx) == nil {
		return ctx
	}
	return &member{ctx, nil}
}

// Done says that a caller has returned.
func (g *Group) Done() {
	g.mu.Lock()
	g.stop()
}

// Wait says that a caller waits for a batch, until Resume. It may be called with a lock that
// Expect and Complete do not take.
func (g *Group) Wait(b Batch) {
	g.mu.Lock()
	if !slices.Contains(g.batches, b) {
		g.batches = append(g.batches, b)
		b.Expect()
	}
	g.stop()
}

// Resume says that n callers no longer wait.
func (g *Group) Resume(n int) {
	g.mu.Lock()
	g.running += n
	g.mu.Unlock()
}

// stop takes one caller off those that run, and unlocks. With the last one, batches are
// complete.
func (g *Group) stop() {
	var complete []Batch
	if g.running--; g.running <= 0 {
		complete, g.batches = g.batches, nil
	}
	g.mu.Unlock()
	for _, b := range complete {
		b.Complete()
	}
}
