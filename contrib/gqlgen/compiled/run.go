package compiled

import (
	"bytes"
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sink"
)

// run is one execution of a plan.
type run struct {
	*Executable
	plan *plan
	op   *graphql.OperationContext
	ctx  context.Context
	call Call // without arguments

	direct bool      // whether what resolvers offer is taken
	out    sink.Sink // nil if the response is made as a whole

	rooted bool // whether ctx has the context of the root field

	mu          sync.Mutex // of field contexts
	rootContext *graphql.FieldContext

	inputsOnce sync.Once
	inputIndex *graphql.InputUnmarshalerIndex
}

func newRun(s *Executable, p *plan, op *graphql.OperationContext, ctx context.Context) *run {
	x := &run{Executable: s, plan: p, op: op, call: Call{EC: s.NewContext(op)}}
	x.rootContext = &graphql.FieldContext{Object: p.root.name(), Parent: graphql.GetFieldContext(ctx)}
	x.ctx = &runContext{ctx, x}
	return x
}

// inputs returns the unmarshalers of input objects, which few resolvers ask for.
func (x *run) inputs() *graphql.InputUnmarshalerIndex {
	x.inputsOnce.Do(func() { x.inputIndex = x.Inputs(x.call.EC) })
	return x.inputIndex
}

// recovered adds the error of a panic.
func (x *run) recovered(ctx context.Context, r any) { x.op.Error(ctx, x.op.Recover(ctx, r)) }

// within returns a run like x whose contexts come from ctx, which has the context of a root
// field.
func (x *run) within(ctx context.Context) *run {
	return &run{
		Executable: x.Executable, plan: x.plan, op: x.op, ctx: ctx, call: x.call,
		rootContext: x.rootContext, rooted: true,
	}
}

// rootPlace is the place of the root fields.
type rootPlace interface {
	name() string
	// query fills all columns and writes the response.
	query(x *run, w *Writer) (valid bool)
	// mutation does so for one field after the other.
	mutation(x *run, w *Writer) (valid bool)
	// around does so for each field in the middleware of root fields.
	around(x *run, w *Writer) (valid bool)
}

// execute returns the data of the response.
func (x *run) execute() []byte {
	x.workers.begin()
	defer x.workers.end()
	w := &Writer{run: x}
	var valid bool
	switch {
	case x.plan.watched || code(x.op.RootResolverMiddleware) != x.rootCode:
		valid = x.plan.root.around(x, w)
	case x.op.Operation.Operation == ast.Mutation:
		valid = x.plan.root.mutation(x, w)
	default:
		valid = x.plan.root.query(x, w)
	}
	defer w.end()
	if !valid {
		return []byte("null")
	}
	return bytes.Clone(w.finish())
}

func (p *place[T]) name() string { return p.object.name }

func (p *place[T]) query(x *run, w *Writer) bool {
	f := filling{run: x}
	g := newGroup(&f, p, nil, make([]T, 1))
	f.execute()
	w.begin()
	return g.write(w, 0)
}

func (p *place[T]) mutation(x *run, w *Writer) bool {
	g := newGroup(&filling{run: x}, p, nil, make([]T, 1))
	w.begin()
	w.buf = append(w.buf, '{')
	valid := true
	for k := range p.steps {
		valid = p.one(x, w, g, k) && valid
	}
	w.buf = append(w.buf, '}')
	return valid
}

// one fills the column of one field, and writes it.
func (p *place[T]) one(x *run, w *Writer, g *group[T], k int) bool {
	if number := p.columnOf[k]; number >= 0 {
		p.steps[k].fill(x, g, number)
	}
	return g.writeFields(w, 0, k, k+1)
}

func (p *place[T]) around(x *run, w *Writer) bool {
	values := make([]graphql.Marshaler, len(p.steps))
	do := func(k int) {
		if p.columnOf[k] >= 0 {
			values[k] = p.aroundOne(x, k)
		}
	}
	limit := int64(0)
	if x.op.Operation.Operation == ast.Mutation {
		limit = 1
	}
	x.workers.each(len(p.steps), limit, do)
	w.begin()
	w.buf = append(w.buf, '{')
	valid := true
	for k, s := range p.steps {
		begin := w.pos()
		w.key(s.plan())
		if values[k] == nil {
			s.write(w, nil, 0)
		} else {
			valid = s.plan().info.settle(w, ownMarshaler(w, values[k])) && valid
		}
		if s.plan().hidden {
			w.truncate(begin)
		}
	}
	w.buf = append(w.buf, '}')
	return valid
}

// aroundOne executes one root field in the middleware of root fields.
func (p *place[T]) aroundOne(x *run, k int) graphql.Marshaler {
	field := p.steps[k].plan()
	ctx := graphql.WithRootFieldContext(x.ctx, newRootField(field))
	return x.op.RootResolverMiddleware(ctx, func(ctx context.Context) graphql.Marshaler {
		y := x.within(ctx)
		g := newGroup(&filling{run: y}, p, nil, make([]T, 1))
		w := &Writer{run: y, buf: []byte{'{'}}
		valid := p.one(y, w, g, k)
		switch {
		case valid && string(w.buf[1+len(field.key):]) == "null":
			return graphql.Null
		case valid:
			w.skip = 1 + len(field.key)
			return w
		case field.info.nonNull():
			return graphql.Null
		default:
			return graphql.RequiredNull
		}
	})
}
