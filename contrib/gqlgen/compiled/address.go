package compiled

import (
	"context"
	"errors"
	"maps"
	"sort"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
)

// level is a number of values at one place of the response, which are addressed by index:
// the objects of a group, the results of a column, or the elements of lists.
type level struct {
	up    *level           // nil for the root
	from  []int32          // index in up of each value; nil if it is the same
	field *planned         // not nil for the results of a column
	list  []int32          // not nil for elements: up's value j has those from list[j] to list[j+1]
	args  []map[string]any // arguments of each call; one for all, or nil
	of    values           // for FieldContext.Result; nil for objects, which are values of up
	ready atomic.Bool      // whether the calls of a column have returned; who keeps a context may ask

	shared [1]map[string]any // args, if there is one for all

	// Contexts that middleware made for what is below each value; nil if there are none.
	contexts []context.Context

	// Built when they are asked for, under run.mu.
	fields map[int]*graphql.FieldContext
	root   *graphql.RootFieldContext
}

// values are what a level addresses.
type values interface{ value(i int) any }

// parent returns the index in up of a value.
func (l *level) parent(i int) int {
	switch {
	case l.list != nil:
		// The last list that begins at i or before; lists may be empty.
		return sort.Search(len(l.list), func(j int) bool { return int(l.list[j]) > i }) - 1
	case l.from != nil:
		return int(l.from[i])
	}
	return i
}

// base returns the innermost context that somebody else has made for a value.
func (x *run) base(l *level, i int) context.Context {
	if x.plan.watched {
		for ; l != nil; l, i = l.up, l.parent(i) {
			if l.contexts != nil && l.contexts[i] != nil {
				return l.contexts[i]
			}
		}
	}
	return x.ctx
}

// context returns the context of a value. Its field context is that of gqlgen.
func (x *run) context(l *level, i int) context.Context {
	return &itemContext{Context: x.base(l, i), run: x, at: l, index: i}
}

// parentContext is the context of an object in which gqlgen executes a field of it.
func (x *run) parentContext(l *level, i int, p *planned) context.Context {
	switch {
	case l != nil:
		return x.context(l, i)
	case x.rooted:
		return x.ctx
	}
	return graphql.WithRootFieldContext(x.ctx, newRootField(p))
}

// itemContext is the context of a value.
type itemContext struct {
	context.Context
	run   *run
	at    *level
	index int
	known atomic.Pointer[graphql.FieldContext] // if it has been asked for
}

// nonNull reports whether somebody has called graphql.MarkNonNull.
func (c *itemContext) nonNull() bool {
	fc := c.known.Load()
	return fc != nil && fc.NonNull
}

// Value implements context.Context.
func (c *itemContext) Value(key any) any {
	switch key {
	case fieldKey:
		fc := c.known.Load()
		if fc == nil {
			fc = c.run.fieldContext(c.at, c.index)
			c.known.Store(fc)
		}
		return fc
	case selection.Key:
		if c.run.plan.watched || c.at == nil || c.at.field == nil {
			return nil // selection.Of makes it of the field context.
		}
		return c.at.field.selection()
	case rootKey:
		if root := c.run.rootField(c.at); root != nil {
			return root
		}
	}
	return c.Context.Value(key)
}

// runContext is the context of an operation.
type runContext struct {
	context.Context
	run *run
}

// Value implements context.Context.
func (c *runContext) Value(key any) any {
	switch key {
	case fieldKey:
		return c.run.rootContext
	case inputsKey:
		return c.run.inputs
	}
	return c.Context.Value(key)
}

// The keys of gqlgen's contexts.
var (
	fieldKey  = keyOf(func(ctx context.Context) { graphql.GetFieldContext(ctx) })
	rootKey   = keyOf(func(ctx context.Context) { graphql.GetRootFieldContext(ctx) })
	inputsKey = keyOf(func(ctx context.Context) { _ = graphql.UnmarshalNamedInputFromContext(ctx, "", nil, nil) })
)

// keyOf returns the key that get asks a context for.
func keyOf(get func(context.Context)) any {
	spy := keySpy{Context: context.Background()}
	get(&spy)
	return spy.key
}

type keySpy struct {
	context.Context
	key any
}

// Value implements context.Context.
func (s *keySpy) Value(key any) any {
	s.key = key
	return nil
}

// rootField returns the context of the root field above a value; nil if gqlgen's own context
// has it.
func (x *run) rootField(l *level) *graphql.RootFieldContext {
	var top *level
	for ; l != nil; l = l.up {
		if l.field != nil {
			top = l
		}
	}
	if top == nil || x.rooted {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if top.root == nil {
		top.root = newRootField(top.field)
	}
	return top.root
}

func newRootField(p *planned) *graphql.RootFieldContext {
	return &graphql.RootFieldContext{Object: p.collected.Name, Field: p.collected}
}

// fieldContext returns the field context of a value.
func (x *run) fieldContext(l *level, i int) *graphql.FieldContext {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lockedFieldContext(l, i)
}

func (x *run) lockedFieldContext(l *level, i int) *graphql.FieldContext {
	switch {
	case l == nil:
		return x.rootContext
	case l.contexts != nil && l.contexts[i] != nil:
		return graphql.GetFieldContext(l.contexts[i])
	case l.field == nil && l.list == nil:
		return x.lockedFieldContext(l.up, l.parent(i))
	}
	if fc := l.fields[i]; fc != nil {
		if fc.Result == nil && l.ready.Load() {
			fc.Result = l.of.value(i)
		}
		return fc
	}
	j := l.parent(i)
	fc := &graphql.FieldContext{Parent: x.lockedFieldContext(l.up, j)}
	if l.of != nil && (l.list != nil || l.ready.Load()) {
		fc.Result = l.of.value(i)
	}
	if l.list != nil {
		n := i - int(l.list[j])
		fc.Index = &n
	} else {
		l.field.describe(fc, l.field.child(x))
		switch len(l.args) {
		case 0:
		case 1:
			fc.Args = maps.Clone(l.args[0]) // The resolver may modify its own.
		default:
			fc.Args = l.args[i]
		}
	}
	if l.fields == nil {
		l.fields = map[int]*graphql.FieldContext{}
	}
	l.fields[i] = fc
	return fc
}

// childOf is FieldContext.Child.
type childOf func(context.Context, graphql.CollectedField) (*graphql.FieldContext, error)

// describe sets what a field context says about its field.
func (p *planned) describe(fc *graphql.FieldContext, child childOf) {
	fc.Object = p.object
	fc.Field = p.collected
	fc.IsMethod = p.info.Method
	fc.IsResolver = p.info.Resolver
	fc.Child = child
}

// child returns the Child of a field's contexts.
func (p *planned) child(x *run) childOf {
	return func(ctx context.Context, field graphql.CollectedField) (*graphql.FieldContext, error) {
		if p.info.Child == nil {
			return nil, errors.New(p.info.childless())
		}
		return p.info.Child(ctx, &x.call, field)
	}
}
