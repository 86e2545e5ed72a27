package compiled

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
	"github.com/gqlboost/gqlboost/pool/dataloader/callers"
)

// stepOf is one field of a place.
type stepOf[T any] interface {
	plan() *planned
	// column reports whether the step has a column, which is number k then.
	column(k int) bool
	// waits reports whether filling the column may wait for something.
	waits() bool
	// fill fills column k of a group, and runs the groups in it.
	fill(x *run, g *group[T], k int)
	// write writes the field's value of object i, and reports whether it is valid.
	write(w *Writer, g *group[T], i int) bool
}

// typename is __typename.
type typename[T any] struct {
	planned *planned
	quoted  []byte
}

func (s typename[T]) plan() *planned            { return s.planned }
func (s typename[T]) column(int) bool           { return false }
func (s typename[T]) waits() bool               { return false }
func (s typename[T]) fill(*run, *group[T], int) {}
func (s typename[T]) write(w *Writer, _ *group[T], _ int) bool {
	w.buf = append(w.buf, s.quoted...)
	return true
}

// step is a field with its definition.
type step[T, V any] struct {
	*definition[T, V]
	planned *planned
	node    node[V]
	leaf    *leafType[V] // node, if it is a leaf that is read when it is written
	number  int          // of the column
	blocks  bool         // whether calls may wait, or those of the groups below
}

func (d *definition[T, V]) plan(c *compiler, p *planned) stepOf[T] {
	waiting := c.waiting
	d.offer(c, p)
	s := &step[T, V]{definition: d, planned: p, node: d.typ.compile(c, p)}
	if d.get != nil && !c.watched {
		s.leaf, _ = s.node.(*leafType[V])
	}
	if d.Waits {
		c.waiting++
	}
	s.blocks = c.waiting > waiting || c.watched
	return s
}

func (s *step[T, V]) plan() *planned { return s.planned }

func (s *step[T, V]) column(k int) bool {
	s.number = k
	return s.leaf == nil
}

func (s *step[T, V]) waits() bool { return s.blocks }

func (s *step[T, V]) write(w *Writer, g *group[T], i int) bool {
	if s.leaf != nil {
		w.at, w.field, w.index = g.at, s.planned, i
		return s.leaf.write(w, s.get(g.objects[i]))
	}
	return s.writeFilled(w, &g.columns[s.number], i)
}

func (f *Field) writeFilled(w *Writer, c *filled, i int) bool {
	if c.states == nil || c.states[i] == present {
		return c.column.write(w, i)
	}
	outcome := Reported
	switch c.states[i] {
	case required:
		outcome = Required
	case other:
		outcome = ownMarshaler(w, c.others[i])
	}
	return f.settle(w, outcome)
}

// lost reports whether a value that has been made must not be null but is.
func (f *Field) lost(c *filled, i int) bool {
	if c.states != nil && c.states[i] != present {
		return c.states[i] == required || c.states[i] == null && f.nonNull()
	}
	object, ok := c.column.(interface{ lost(i int) bool })
	return ok && object.lost(i)
}

// settle writes what is null, and reports whether that is valid.
func (f *Field) settle(w *Writer, o Outcome) bool {
	if o == Wrote {
		return true
	}
	if o == Required || f.nonNull() {
		return false
	}
	w.null()
	return true
}

// fill makes the values of the column.
func (s *step[T, V]) fill(x *run, g *group[T], k int) {
	c := &calls[T, V]{step: s, run: x, group: g, values: make([]V, len(g.objects))}
	c.at = level{up: g.at, field: s.planned, of: c}
	c.below.run = x
	var made column
	switch {
	case x.plan.watched && s.own == nil:
		c.watch()
	case c.direct(&made):
	case s.get != nil:
		for i, obj := range g.objects {
			c.read(i, obj)
		}
	case s.batch != nil:
		c.batch()
	default:
		c.each()
	}
	if made == nil {
		c.at.ready.Store(true)
		made = s.node.fill(&c.below, &c.at, c.values, c.states)
	}
	g.columns[k] = filled{column: made, states: c.states, others: c.others}
	c.below.execute()
}

// calls makes the values of a column.
type calls[T, V any] struct {
	*step[T, V]
	run    *run
	group  *group[T]
	at     level // of the values
	values []V
	others []graphql.Marshaler // what middleware returned in place of values
	below  filling             // the groups in the values

	mu     sync.Mutex // of states
	states []state    // nil if all values are present

	contexts []itemContext
	lists    []context.Context // of the list that each object is in, for a batch in gqlgen's function; or nil
	one      callOne[T, V]     // nil if the resolver has not been asked for
	all      callAll[T, V]     // nil if the resolver has not been asked for
	call     *Call             // with the arguments, if all calls share them
	shared   Call              // what call points to, if there are arguments
	first    *Call             // with those of the first object, if it has its own
}

// value implements [values].
func (c *calls[T, V]) value(i int) any { return c.values[i] }

// lose says that a value is not present.
func (c *calls[T, V]) lose(i int, s state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states == nil {
		c.states = make([]state, len(c.values))
	}
	c.states[i] = s
}

// prepare makes what calls need, and reports whether they share their arguments.
func (c *calls[T, V]) prepare() (shared bool) {
	n := len(c.values)
	if c.contexts != nil {
		return c.call != nil
	}
	c.contexts = make([]itemContext, n)
	for i := range c.contexts {
		c.contexts[i] = itemContext{Context: c.run.base(c.group.at, i), run: c.run, at: &c.at, index: i}
	}
	c.bind()
	if c.Args == nil || c.own != nil {
		c.call = &c.run.call
		return true
	}
	args, ok := c.run.arguments(c.planned)
	if !ok {
		c.at.args = make([]map[string]any, n)
		return false
	}
	c.at.shared[0] = args
	c.at.args = c.at.shared[:]
	c.shared = Call{EC: c.run.call.EC, Args: args}
	c.call = &c.shared
	return true
}

// bind asks for the resolver once for all calls. If that panics each call asks again, so that
// each reports it, or lets it pass if panics are not handled.
func (c *calls[T, V]) bind() {
	defer func() { _ = recover() }()
	switch {
	case c.step.call != nil:
		c.one = c.step.call(&c.run.call)
	case c.step.batch != nil:
		c.all = c.step.batch(&c.run.call)
	}
}

func (c *calls[T, V]) callOne() callOne[T, V] {
	if c.one == nil {
		return c.step.call(&c.run.call)
	}
	return c.one
}

func (c *calls[T, V]) callAll() callAll[T, V] {
	if c.all == nil {
		return c.step.batch(&c.run.call)
	}
	return c.all
}

// each calls the resolver for each object.
func (c *calls[T, V]) each() {
	c.prepare()
	if c.Batch {
		c.lists = c.listed()
	}
	if !c.Waits {
		for i := range c.values {
			c.make(i)
		}
		return
	}
	n := len(c.values)
	if limit := c.run.WorkerLimit; c.own != nil || limit > 0 && n > int(limit) {
		c.run.workers.each(n, c.run.WorkerLimit, c.make)
		return
	}
	// Data loaders fetch when all these calls wait for them.
	g := callers.New(n)
	ctx := g.Context(c.run.ctx)
	for i := range c.contexts {
		c.contexts[i].Context = ctx
	}
	c.run.workers.each(n, 0, func(i int) {
		defer g.Done()
		c.make(i)
	})
}

// make calls the resolver for one object.
func (c *calls[T, V]) make(i int) {
	ctx := &c.contexts[i]
	if !c.run.OmitPanicHandler {
		defer func() {
			if r := recover(); r != nil {
				c.run.recovered(ctx, r)
				c.lose(i, null)
			}
		}()
	}
	if c.own != nil {
		parent := c.run.parentContext(c.group.at, i, c.planned)
		if c.lists != nil {
			parent = &itemContext{Context: c.lists[i], run: c.run, at: c.group.at, index: i}
		}
		parent = context.WithValue(parent, selection.Key, nil) // It finds its own.
		c.values[i] = c.own(parent, c.call, c.planned.collected, c.group.objects[i])
		return
	}
	call := c.callOf(i)
	if call == nil {
		return
	}
	v, err := c.callOne()(ctx, call, c.group.objects[i])
	if err != nil {
		c.fail(ctx, i, err)
		return
	}
	c.keep(i, v)
}

// callOf returns the call for an object, nil if its arguments are wrong.
func (c *calls[T, V]) callOf(i int) *Call {
	switch {
	case c.call != nil:
		return c.call
	case i == 0 && c.first != nil:
		return c.first
	}
	call := c.run.convert(c.planned, &c.contexts[i])
	if call == nil {
		c.lose(i, null)
		return nil
	}
	c.fresh(i, call)
	if i == 0 {
		c.first = call
	}
	return call
}

// fresh keeps the arguments of one call. Their directives may have kept its context.
func (c *calls[T, V]) fresh(i int, call *Call) {
	c.run.mu.Lock()
	defer c.run.mu.Unlock()
	c.at.args[i] = call.Args
	if fc := c.at.fields[i]; fc != nil {
		fc.Args = call.Args
	}
}

// keep keeps a value.
func (c *calls[T, V]) keep(i int, v V) {
	if c.contexts[i].nonNull() && any(v) == nil {
		graphql.AddInvalidNullError(&c.contexts[i], "")
		c.lose(i, required)
		return
	}
	c.values[i] = v
}

// fail adds the error of a call.
func (c *calls[T, V]) fail(ctx context.Context, i int, err error) {
	c.run.op.Error(ctx, graphql.AddFieldLocationToError(ctx, err))
	if c.contexts[i].nonNull() {
		c.lose(i, required)
	} else {
		c.lose(i, null)
	}
}

// read reads a field that holds objects.
func (c *calls[T, V]) read(i int, obj T) {
	if !c.run.OmitPanicHandler {
		defer func() {
			if r := recover(); r != nil {
				c.run.recovered(c.run.context(&c.at, i), r)
				c.lose(i, null)
			}
		}()
	}
	c.values[i] = c.get(obj)
}
