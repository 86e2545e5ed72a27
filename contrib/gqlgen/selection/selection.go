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
)

// Selection is what has been selected of a field's object. It belongs to the plan of an
// operation: it must not be modified, and is safe for concurrent use.
type Selection struct {
	// Fields are in the order in which they are written. Those of interfaces and unions are
	// the fields of all their types.
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
	c := collector{doc: doc, variables: variables}
	return c.selection(set)
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

// collector makes selections.
type collector struct {
	doc       *ast.QueryDocument
	variables map[string]any
	within    []string // the fragments that are being looked at
}

// sets are the selections of a field, which may have been selected more than once.
type sets struct {
	field *Field
	all   ast.SelectionSet
}

func (c *collector) selection(set ast.SelectionSet) *Selection {
	var list []*sets
	c.collect(set, &list)
	out := &Selection{Fields: make([]*Field, len(list))}
	for i, f := range list {
		f.field.Selection = c.selection(f.all)
		out.Fields[i] = f.field
	}
	return out
}

func (c *collector) collect(set ast.SelectionSet, list *[]*sets) {
	for _, each := range set {
		switch each := each.(type) {
		case *ast.Field:
			if c.included(each.Directives) {
				add(list, each)
			}
		case *ast.InlineFragment:
			if c.included(each.Directives) {
				c.collect(each.SelectionSet, list)
			}
		case *ast.FragmentSpread:
			fragment := c.doc.Fragments.ForName(each.Name)
			if fragment == nil || !c.included(each.Directives) || slices.Contains(c.within, each.Name) {
				continue
			}
			c.within = append(c.within, each.Name)
			c.collect(fragment.SelectionSet, list)
			c.within = c.within[:len(c.within)-1]
		}
	}
}

func add(list *[]*sets, f *ast.Field) {
	on := ""
	if f.ObjectDefinition != nil {
		on = f.ObjectDefinition.Name
	}
	for _, known := range *list {
		if known.field.Alias == f.Alias && known.field.Name == f.Name && known.field.On == on {
			known.all = append(known.all, f.SelectionSet...)
			return
		}
	}
	*list = append(*list, &sets{&Field{Field: f, On: on}, slices.Clone(f.SelectionSet)})
}

func (c *collector) included(list ast.DirectiveList) bool {
	for _, d := range list {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		if arg := d.Arguments.ForName("if"); arg != nil {
			v, _ := arg.Value.Value(c.variables) // A variable that is missing has been refused.
			if on, _ := v.(bool); on != (d.Name == "include") {
				return false
			}
		}
	}
	return true
}
