package compiled

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// run is one execution of a plan.
type run struct {
	*Executable
	plan *plan
	op   *graphql.OperationContext
	ctx  context.Context
	call Call // without arguments

	mu          sync.Mutex // of field contexts
	rootContext *graphql.FieldContext
}

func newRun(s *Executable, p *plan, op *graphql.OperationContext, ctx context.Context) *run {
	ec := s.NewContext(op)
	inputs := func() *graphql.InputUnmarshalerIndex { return s.Inputs(ec) }
	x := &run{Executable: s, plan: p, op: op, call: Call{EC: ec}}
	x.ctx = graphql.WithLazyInputUnmarshalerIndex(ctx, inputs)
	x.rootContext = &graphql.FieldContext{Object: p.root.name()}
	return x
}

// recovered adds the error of a panic.
func (x *run) recovered(ctx context.Context, r any) { x.op.Error(ctx, x.op.Recover(ctx, r)) }

// rootPlace is the place of the root fields.
type rootPlace interface {
	name() string
	// query fills all columns and writes the response.
	query(x *run, w *Writer) (valid bool)
	// mutation does so for one field after the other.
	mutation(x *run, w *Writer) (valid bool)
}

// execute returns the data of the response.
func (x *run) execute() []byte {
	w := &Writer{run: x, buf: make([]byte, 0, x.plan.size.Load()*9/8+64)}
	var valid bool
	if x.op.Operation.Operation == ast.Mutation {
		valid = x.plan.root.mutation(x, w)
	} else {
		valid = x.plan.root.query(x, w)
	}
	if !valid {
		return []byte("null")
	}
	data := w.finish()
	x.plan.size.Store(int64(len(data)))
	return data
}

func (p *place[T]) name() string { return p.object.name }

func (p *place[T]) query(x *run, w *Writer) bool {
	f := filling{run: x}
	g := newGroup(&f, p, nil, make([]T, 1))
	f.execute()
	return g.write(w, 0)
}

func (p *place[T]) mutation(x *run, w *Writer) bool {
	g := newGroup(&filling{run: x}, p, nil, make([]T, 1))
	w.buf = append(w.buf, '{')
	valid := true
	for k, s := range p.steps {
		if number := p.columnOf[k]; number >= 0 {
			s.fill(x, g, number)
		}
		valid = g.writeFields(w, 0, k, k+1) && valid
	}
	w.buf = append(w.buf, '}')
	return valid
}
