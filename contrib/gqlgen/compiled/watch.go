package compiled

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
)

// watch makes the values of a column through the field middleware of the host, which sees what
// it sees in gqlgen: a field context for each field, and what it returns is the value.
func (c *calls[T, V]) watch() {
	n := len(c.values)
	c.others = make([]graphql.Marshaler, n)
	c.at.contexts = make([]context.Context, n)
	var b *batched[V]
	if c.step.batch != nil {
		b = &batched[V]{n: n}
	}
	c.bind()
	child := c.planned.child(c.run)
	one := func(i int) {
		if s := c.watchOne(b, i, child); s != present {
			c.lose(i, s)
		}
	}
	if c.group.at == nil {
		one(0) // The caller knows whether root fields may run at once.
		return
	}
	c.run.workers.each(n, c.run.WorkerLimit, one)
}

// watchOne makes one value. It is gqlgen's resolveField.
func (c *calls[T, V]) watchOne(b *batched[V], i int, child childOf) (out state) {
	x := c.run
	fc := new(graphql.FieldContext)
	c.planned.describe(fc, child)
	ctx := x.ctx // of the root field
	if c.group.at != nil {
		ctx = &c.group.parents[i]
	}
	ctx = graphql.WithFieldContext(ctx, fc)
	c.at.contexts[i] = ctx
	if c.Args != nil {
		call := x.convert(c.planned, ctx)
		if call == nil {
			return null
		}
		fc.Args = call.Args
	}
	if !x.OmitPanicHandler {
		defer func() {
			if r := recover(); r != nil {
				x.recovered(ctx, r)
				out = null
			}
		}()
	}
	result, err := x.op.ResolverMiddleware(ctx, func(inner context.Context) (any, error) {
		ctx = inner // What is below the field sees it, too.
		return c.resolve(inner, b, i)
	})
	c.at.contexts[i] = ctx
	missing := null
	if fc.NonNull && !c.nonNull() {
		missing = required
	}
	if err != nil {
		x.op.Error(ctx, graphql.AddFieldLocationToError(ctx, err))
		return missing
	}
	if result == nil {
		if c.nonNull() || fc.NonNull {
			graphql.AddInvalidNullError(ctx, "")
		}
		return missing
	}
	if v, ok := result.(V); ok {
		fc.Result, c.values[i] = v, v
		return present
	}
	if m, ok := result.(graphql.Marshaler); ok {
		fc.Result, c.others[i] = m, m
		return other
	}
	var v V
	graphql.AddErrorf(ctx, `unexpected type %T from middleware/directive chain, should be %T`, result, v)
	return null
}

// resolve is what middleware calls in the end.
func (c *calls[T, V]) resolve(ctx context.Context, b *batched[V], i int) (any, error) {
	call := &c.run.call
	if c.Args != nil {
		call = &Call{EC: call.EC, Args: graphql.GetFieldContext(ctx).Args}
	}
	switch {
	case c.get != nil:
		return c.get(c.group.objects[i]), nil
	case b == nil:
		return c.callOne()(ctx, call, c.group.objects[i])
	}
	all := c.callAll()
	b.once.Do(func() {
		b.results, b.err = all(ctx, call, slices.Clone(c.group.objects))
		b.done = true
	})
	v, ok := c.result(ctx, b, i, i)
	if !ok {
		return nil, nil
	}
	return v, nil
}
