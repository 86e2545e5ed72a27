package compiled

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// plan is a compiled operation.
type plan struct {
	refused string // why the operation runs on gqlgen's schema, "" if it does not
	watched bool   // whether field middleware is called
	streams bool   // whether a resolver offers to stream a list
	inside  bool   // whether one does that is inside of another list
	root    rootPlace
	fields  int // at its places
}

// plans keeps the plans of operations for as long as the operations live, which is as long
// as they are in the query cache and in use.
type plans struct {
	byOperation sync.Map // of *variants by planKey
	count       atomic.Int64
	fields      atomic.Int64 // of all plans that are kept
}

// planKey is what a plan is made of. A host may give an operation other fragments.
type planKey struct {
	doc weak.Pointer[ast.QueryDocument]
	op  weak.Pointer[ast.OperationDefinition]
}

const (
	maxOperations = 20_000  // kept between two collections of garbage
	maxVariants   = 64      // of one operation
	maxKept       = 250_000 // fields of all plans: some 100 MB, as a document of a few lines may have maxFields
)

// variants are the plans of one operation: one for each set of conditions.
type variants struct {
	conditions []string // the variables of @skip and @include
	refused    string

	mu        sync.RWMutex
	plans     map[conditions]*plan
	fields    int    // in them
	kept      *plans // which counts them; nil if the variants are not kept
	compiling map[conditions]func() *plan
}

// conditions are the values that conditional variables have.
type conditions struct {
	values  uint64 // those that are true
	others  uint64 // those that are neither true nor false: null where a variable has a default
	watched bool
}

// of returns the variants of an operation.
func (p *plans) of(doc *ast.QueryDocument, op *ast.OperationDefinition) *variants {
	key := planKey{weak.Make(doc), weak.Make(op)}
	if known, ok := p.byOperation.Load(key); ok {
		return known.(*variants)
	}
	v := newVariants(doc, op)
	if p.count.Load() >= maxOperations {
		return v
	}
	v.kept = p
	known, loaded := p.byOperation.LoadOrStore(key, v)
	if !loaded {
		p.count.Add(1)
		forget := func(key planKey) {
			if known, ok := p.byOperation.LoadAndDelete(key); ok {
				p.count.Add(-1)
				known.(*variants).forget()
			}
		}
		runtime.AddCleanup(op, forget, key)
		runtime.AddCleanup(doc, forget, key)
	}
	return known.(*variants)
}

func newVariants(doc *ast.QueryDocument, op *ast.OperationDefinition) *variants {
	v := &variants{plans: map[conditions]*plan{}}
	v.search(op.SelectionSet)
	for _, fragment := range doc.Fragments {
		v.search(fragment.SelectionSet)
	}
	if len(v.conditions) > 64 {
		v.refused = "more than 64 conditions"
	}
	return v
}

// search finds conditional variables.
func (v *variants) search(set ast.SelectionSet) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			v.directives(s.Directives)
			v.search(s.SelectionSet)
		case *ast.InlineFragment:
			v.directives(s.Directives)
			v.search(s.SelectionSet)
		case *ast.FragmentSpread:
			v.directives(s.Directives)
		}
	}
}

func (v *variants) directives(list ast.DirectiveList) {
	for _, d := range list {
		if d.Name != "skip" && d.Name != "include" && d.Name != "defer" {
			continue
		}
		for _, a := range d.Arguments {
			if a.Name == "if" && a.Value != nil && a.Value.Kind == ast.Variable {
				v.condition(a.Value.Raw)
			}
		}
	}
}

func (v *variants) condition(name string) {
	if !slices.Contains(v.conditions, name) {
		v.conditions = append(v.conditions, name)
	}
}

// plan returns the plan for the variables of a request.
func (v *variants) plan(s *Executable, op *graphql.OperationContext, watched bool) *plan {
	key := conditions{watched: watched}
	for i, name := range v.conditions {
		switch on, ok := op.Variables[name].(bool); {
		case on:
			key.values |= 1 << i
		case !ok:
			key.others |= 1 << i
		}
	}
	v.mu.RLock()
	p := v.plans[key]
	v.mu.RUnlock()
	if p != nil {
		return p
	}
	values := make(map[string]any, len(v.conditions))
	for _, name := range v.conditions {
		if value, ok := op.Variables[name]; ok {
			values[name] = value
		}
	}
	return v.once(key, func() *plan {
		p := s.compile(op, values, watched)
		if v.refused != "" && p.refused == "" {
			p = &plan{refused: v.refused}
		}
		if !v.keep(key, p) {
			s.unkept.Add(1)
		}
		return p
	})()
}

// once returns what compiles a plan: the same for all requests that ask for it at the same time.
func (v *variants) once(key conditions, compile func() *plan) func() *plan {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.plans[key]; p != nil {
		return func() *plan { return p }
	}
	if known := v.compiling[key]; known != nil {
		return known
	}
	if v.compiling == nil {
		v.compiling = map[conditions]func() *plan{}
	}
	one := sync.OnceValue(func() *plan {
		defer v.compiled(key)
		return compile()
	})
	v.compiling[key] = one
	return one
}

func (v *variants) compiled(key conditions) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.compiling, key)
}

// keep keeps a plan if there is room, and reports whether there was. Otherwise the next request compiles it again. All
// plans of an operation have no more fields than one may have, so that one document does not take the room of others.
func (v *variants) keep(key conditions, p *plan) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.plans[key] != nil:
		return true
	case v.kept == nil || len(v.plans) >= maxVariants || v.fields+p.fields > maxFields:
		return false
	case v.kept.fields.Add(int64(p.fields)) > maxKept:
		v.kept.fields.Add(-int64(p.fields))
		return false
	}
	v.plans[key] = p
	v.fields += p.fields
	return true
}

// forget gives up the room of the plans. Requests may still have them.
func (v *variants) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept.fields.Add(-int64(v.fields))
	v.kept = nil
}
