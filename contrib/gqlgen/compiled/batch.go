package compiled

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/pool/dataloader/callers"
)

// batched is what a batch resolver returned for some objects of a group.
type batched[V any] struct {
	once    sync.Once // of the call
	n       int       // objects
	results []V
	err     error
	done    bool // whether it has returned: it may have panicked
}

// batch calls a batch resolver for all objects.
func (c *calls[T, V]) batch() {
	if c.prepare() {
		c.batchOf(c.call, 0, len(c.values))
		return
	}
	// Each object has arguments of its own, though they are equal.
	for i := range c.values {
		if call := c.callOf(i); call != nil {
			c.batchOf(call, i, i+1)
		}
	}
}

// batchOf calls a batch resolver for some objects.
func (c *calls[T, V]) batchOf(call *Call, from, to int) {
	b := &batched[V]{n: to - from}
	for i := from; i < to; i++ {
		c.oneOf(b, call, i, from)
	}
}

// oneOf makes the value of object i, whose batch begins with another one. Errors of the host may
// panic, too.
func (c *calls[T, V]) oneOf(b *batched[V], call *Call, i, from int) {
	ctx := &c.contexts[i]
	if !c.run.OmitPanicHandler {
		defer func() {
			if r := recover(); r != nil {
				c.run.recovered(ctx, r)
				c.lose(i, null)
			}
		}()
	}
	if i == from || c.all == nil { // If getting the resolver fails, each object asks for it.
		c.callBatch(b, call, i, c.group.objects[from:from+b.n])
	}
	if v, ok := c.result(ctx, b, i, i-from); ok {
		c.keep(i, v)
	} else if c.nonNull() || ctx.nonNull() {
		graphql.AddInvalidNullError(ctx, "") // Nothing if the error has this path.
		c.lose(i, required)
	} else {
		c.lose(i, null)
	}
}

// callBatch calls a batch resolver for object i and others, unless it has been called for them.
func (c *calls[T, V]) callBatch(b *batched[V], call *Call, i int, objects []T) {
	all := c.callAll()
	b.once.Do(func() {
		one := callers.New(1) // A data loader need not wait for others.
		c.contexts[i].Context = one.Context(c.run.ctx)
		defer one.Done()
		b.results, b.err = all(&c.contexts[i], call, slices.Clone(objects)) // It may do with them what it likes.
		b.done = true
	})
}

// result returns result j of a batch, which is that of object i, or adds an error as gqlgen
// does.
func (c *calls[T, V]) result(ctx context.Context, b *batched[V], i, j int) (v V, ok bool) {
	list, each := b.err.(graphql.BatchErrors) //nolint:errorlint // as gqlgen does
	if b.done && b.err == nil && len(b.results) == b.n {
		return b.results[j], true
	}
	name := c.planned.object + "." + c.Name
	index, _, listed := c.index(i)
	var failed error
	switch {
	case !b.done:
		failed = fmt.Errorf("batch resolver %s returned unexpected result type (index %d)", name, index)
	case b.err != nil && !each:
		failed = b.err
	case len(b.results) != b.n:
		failed = miscounted(name, "results", len(b.results), b.n, index, listed)
	case len(list.Errors()) != b.n:
		failed = miscounted(name, "errors", len(list.Errors()), b.n, index, listed)
	default:
		failed = list.Errors()[j]
	}
	if failed == nil {
		return b.results[j], true
	}
	graphql.AddBatchError(ctx, index, failed)
	return v, false
}

// miscounted is the error for a wrong number of results or errors.
func miscounted(field, what string, got, want, index int, listed bool) error {
	if listed {
		return fmt.Errorf("index %d: batch resolver %s returned %d %s for %d parents", index, field, got, what, want)
	}
	return fmt.Errorf("batch resolver %s returned %d %s for %d parents (index %d)", field, got, what, want, index)
}

// index returns the index of an object in its list and the number of that, if it is in one.
func (c *calls[T, V]) index(i int) (index, list int, listed bool) {
	for l := c.group.at; l != nil; l, i = l.up, l.parent(i) {
		if l.list != nil {
			list = l.parent(i)
			return i - int(l.list[list]), list, true
		}
		if l.field != nil {
			break
		}
	}
	return 0, 0, false
}

// listed returns for each object a context with those of the same list, which gqlgen's functions
// call a batch resolver for; nil if the objects are in none. Those of one list come together.
func (c *calls[T, V]) listed() []context.Context {
	objects := c.group.objects
	out := make([]context.Context, 0, len(objects))
	for from := 0; from < len(objects); from = len(out) {
		_, list, ok := c.index(from)
		if !ok {
			return nil
		}
		positions, to := map[int]int{}, from
		for ; to < len(objects); to++ {
			index, other, _ := c.index(to)
			if other != list {
				break
			}
			positions[index] = to - from
		}
		ctx := c.run.base(c.group.at, from)
		ctx = graphql.WithBatchParents(ctx, c.planned.object, slices.Clone(objects[from:to]), positions)
		for range to - from {
			out = append(out, ctx)
		}
	}
	return out
}
