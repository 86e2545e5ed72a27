// Package selection gives a resolver the fields that the client has selected of the
// objects that it returns, so that it reads only the columns that are wanted:
//
//	columns := selection.Of(ctx).Columns(comments) // a Table
//	rows, err := db.Query(ctx, "select "+strings.Join(columns, ", ")+" from comments")
//
// It works in resolvers that gqlgen calls, and in those that the compiled schema calls, which
// has the selection ready in the plan of the operation.
package selection

import (
	"context"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sets"
)

// Selection is what has been selected of a field's object. It belongs to the plan of an
// operation: it must not be modified, and is safe for concurrent use.
type Selection struct {
	// Fields are in the order in which they are written. Those of interfaces and unions are
	// the fields of all their types. A field that has been selected several times is there once,
	// except for objects in operations of more than 10 000 fields: what fragments merge there
	// can be more than there is memory for.
	Fields []*Field

	kept sync.Map // see Keep
}

// Field is a selected field.
type Field struct {
	*ast.Field // the first with this key; its Alias is the key
	// On is the type that the field has been selected of.
	On string
	// Selection is what has been selected of the field's object; it has no Fields if the
	// field is a leaf.
	Selection *Selection
}

// Of returns the selection of the field that is being resolved.
func Of(ctx context.Context) *Selection {
	if s, _ := ctx.Value(Key).(*Selection); s != nil {
		return s
	}
	op, field := graphql.GetOperationContext(ctx), graphql.GetFieldContext(ctx).Field
	return New(op.Doc, op.Variables, field.Selections)
}

type key struct{}

// Key is the key under which contexts of resolvers may have a *Selection. It is for executors.
var Key any = key{}

// New returns a selection of a document, without what the variables of @skip and @include
// leave out.
func New(doc *ast.QueryDocument, variables map[string]any, set ast.SelectionSet) *Selection {
	return NewMaker(doc, variables).Selection(set)
}

// Maker makes the selections of an operation. It returns the same one for the same set, and shares
// those below, so that all of them take no more memory than the document, however often fragments
// spread others. It is for executors, and is safe for concurrent use.
type Maker struct {
	doc       *ast.QueryDocument
	variables map[string]any

	mu     sync.Mutex
	sets   sets.Numbers
	made   map[int]*Selection // by the numbers of their sets
	fields int                // in them
}

// maxMerged is how many fields an operation has before those of objects are no longer merged.
const maxMerged = 10_000

// NewMaker returns a Maker of selections of a document.
func NewMaker(doc *ast.QueryDocument, variables map[string]any) *Maker {
	return &Maker{doc: doc, variables: variables, sets: sets.Numbers{}, made: map[int]*Selection{}}
}

// Selection returns the selection of a set.
func (m *Maker) Selection(set ast.SelectionSet) *Selection {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.selection(set)
}

// Has reports whether fields with one of these names have been selected.
func (s *Selection) Has(names ...string) bool {
	return slices.ContainsFunc(s.Fields, func(f *Field) bool { return slices.Contains(names, f.Name) })
}

// Keep returns what build makes of a selection: it is kept as long as the selection is, so that
// a resolver makes its statement once for each operation and not for each request. The key
// should be of a type of the caller's own, as the keys of contexts are. Callers that come at the
// same time may both build.
func Keep[T any](s *Selection, key any, build func(*Selection) T) T {
	if v, ok := s.kept.Load(key); ok {
		return v.(T)
	}
	v, _ := s.kept.LoadOrStore(key, build(s))
	return v.(T)
}

// collected are the fields of a selection that is being made.
type collected struct {
	fields []*Field
	sets   []ast.SelectionSet // of each field, which may have been selected more than once
	seen   []string           // the fragments that have been looked at
}

func (m *Maker) selection(set ast.SelectionSet) *Selection {
	number := m.sets.Of(set)
	if known := m.made[number]; known != nil {
		return known
	}
	var c collected
	m.collect(set, &c)
	out := &Selection{Fields: c.fields}
	m.made[number] = out
	m.fields += len(c.fields)
	for i, f := range c.fields {
		f.Selection = m.selection(c.sets[i])
	}
	return out
}

func (m *Maker) collect(set ast.SelectionSet, c *collected) {
	for _, each := range set {
		switch each := each.(type) {
		case *ast.Field:
			if m.included(each.Directives) {
				c.add(each, len(each.SelectionSet) == 0 || m.fields < maxMerged)
			}
		case *ast.InlineFragment:
			if m.included(each.Directives) {
				m.collect(each.SelectionSet, c)
			}
		case *ast.FragmentSpread:
			fragment := m.doc.Fragments.ForName(each.Name)
			if fragment == nil || !m.included(each.Directives) || slices.Contains(c.seen, each.Name) {
				continue
			}
			c.seen = append(c.seen, each.Name)
			m.collect(fragment.SelectionSet, c)
		}
	}
}

func (c *collected) add(f *ast.Field, merged bool) {
	on := ""
	if f.ObjectDefinition != nil {
		on = f.ObjectDefinition.Name
	}
	for i, known := range c.fields {
		if merged && known.Alias == f.Alias && known.Name == f.Name && known.On == on {
			c.sets[i] = append(c.sets[i], f.SelectionSet...)
			return
		}
	}
	c.fields = append(c.fields, &Field{Field: f, On: on})
	c.sets = append(c.sets, slices.Clip(f.SelectionSet))
}

func (m *Maker) included(list ast.DirectiveList) bool {
	for _, d := range list {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		if arg := d.Arguments.ForName("if"); arg != nil {
			v, _ := arg.Value.Value(m.variables) // A variable that is missing has been refused.
			if on, _ := v.(bool); on != (d.Name == "include") {
				return false
			}
		}
	}
	return true
}
