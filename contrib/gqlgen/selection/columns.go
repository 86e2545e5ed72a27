package selection

import (
	"errors"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/stream/pgrows"
)

// ErrDeclined is returned by a resolver that writes JSON, before it has written anything, if it
// cannot write the selection, see [Selection.Rows]: the other resolver of the field is called
// then, for this operation also in later requests.
var ErrDeclined = errors.New("selection: this resolver does not write what is selected")

// Table lists the columns that the fields of a type need. Make one for the life of the
// program. It is safe for concurrent use.
type Table struct{ columns map[string][]string }

// NewTable returns a table of expressions in SQL by the names of fields. A field that is missing
// needs no column. Columns of "" are always wanted.
func NewTable(columns map[string][]string) *Table { return &Table{columns} }

// Columns returns the columns of the selected fields, each of them once, in the order of the
// alphabet: selections of the same fields make the same statement. It must not be modified.
func (s *Selection) Columns(t *Table) []string {
	return Keep(s, columnsKey{t}, func(s *Selection) []string {
		out := slices.Clone(t.columns[""])
		for _, f := range s.Fields {
			out = append(out, t.columns[f.Name]...)
		}
		slices.Sort(out)
		return slices.Compact(out)
	})
}

// Rows returns what a resolver that writes JSON needs to write rows of the selected fields: the
// list behind select, and the shape of its rows. It is not ok if not all fields are made of one
// column each: if some have fields or arguments of their own, or belong to different types of an
// interface or a union.
func (s *Selection) Rows(t *Table) (list string, shape *pgrows.Shape, ok bool) {
	r := Keep(s, rowsKey{t}, func(s *Selection) *rows { return s.rows(t) })
	return r.list, r.shape, r.shape != nil
}

type (
	columnsKey struct{ *Table }
	rowsKey    struct{ *Table }
)

type rows struct {
	list  string
	shape *pgrows.Shape
}

func (s *Selection) rows(t *Table) *rows {
	var columns []string
	fields := make([]pgrows.Field, 0, len(s.Fields))
	for _, f := range s.Fields {
		member := pgrows.Field{Name: f.Alias}
		switch column := t.columns[f.Name]; {
		case f.On != s.Fields[0].On, len(f.Selection.Fields) > 0, len(f.Arguments) > 0:
			return &rows{}
		case f.Name == "__typename":
			if f.ObjectDefinition == nil || f.ObjectDefinition.Kind != ast.Object {
				return &rows{}
			}
			member.Constant = f.On
		case len(column) != 1:
			return &rows{}
		default:
			member.Quoted = f.Definition != nil && f.Definition.Type.Name() == "ID"
			columns = append(columns, column[0])
		}
		fields = append(fields, member)
	}
	return &rows{strings.Join(columns, ", "), pgrows.NewShape(fields, pgrows.Options{})}
}
