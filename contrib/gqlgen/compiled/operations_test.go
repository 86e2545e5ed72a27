package compiled_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// operations makes random operations of a schema.
type operations struct {
	*rand.Rand
	schema    *ast.Schema
	directive string // of fields, without its at sign; may be empty
	fragments []string
	variables map[string]string // types by name
	values    map[string]any
	budget    int
}

// next returns a valid operation.
func (o *operations) next() (query string, variables map[string]any) {
	for {
		o.fragments, o.variables, o.values = nil, map[string]string{}, map[string]any{}
		o.budget = 5 + o.IntN(60)
		kind, root := "query", o.schema.Query
		if o.IntN(6) == 0 {
			kind, root = "mutation", o.schema.Mutation
		}
		body := o.selection(root, 4)
		declared := ""
		for name, typ := range o.variables {
			declared += fmt.Sprintf("$%s: %s ", name, typ)
		}
		if declared != "" {
			declared = "(" + declared + ")"
		}
		query = kind + " Random" + declared + " " + body + " " + strings.Join(o.fragments, " ")
		doc, err := parser.ParseQuery(&ast.Source{Input: query})
		if err == nil && len(validator.ValidateWithRules(o.schema, doc, rules.NewDefaultRules())) == 0 {
			return query, o.values
		}
	}
}

func (o *operations) selection(t *ast.Definition, depth int) string {
	var parts []string
	for range 1 + o.IntN(4) {
		parts = append(parts, o.part(t, depth))
		if o.budget--; o.budget < 0 {
			break
		}
	}
	return "{ " + strings.Join(parts, " ") + " }"
}

func (o *operations) part(t *ast.Definition, depth int) string {
	switch {
	case o.IntN(10) == 0 || len(t.Fields) == 0 && o.IntN(3) == 0:
		return "__typename" + o.conditions()
	case len(t.Fields) == 0 || o.IntN(6) == 0:
		// A fragment on a type that may be it.
		on := o.related(t)
		if o.IntN(2) == 0 {
			name := fmt.Sprintf("F%d", len(o.fragments))
			o.fragments = append(o.fragments, "")
			o.fragments[len(o.fragments)-1] = fmt.Sprintf("fragment %s on %s %s", name, on.Name, o.selection(on, depth-1))
			again := ""
			if o.IntN(4) == 0 {
				again = " ..." + name
			}
			return "..." + name + o.conditions() + again
		}
		return fmt.Sprintf("... on %s%s %s", on.Name, o.conditions(), o.selection(on, depth-1))
	}
	f := t.Fields[o.IntN(len(t.Fields))]
	if strings.HasPrefix(f.Name, "__") {
		return "__typename"
	}
	inner := o.schema.Types[f.Type.Name()]
	out := f.Name
	if o.IntN(5) == 0 {
		out = fmt.Sprintf("a%d: %s", o.IntN(4), out)
	}
	out += o.arguments(f) + o.conditions()
	if o.directive != "" && o.IntN(20) == 0 {
		out += " @" + o.directive
	}
	if !inner.IsCompositeType() {
		return out
	}
	if depth <= 0 || o.budget < 0 {
		return out + " { __typename }"
	}
	return out + " " + o.selection(inner, depth-1)
}

// related returns a type that a fragment may be on.
func (o *operations) related(t *ast.Definition) *ast.Definition {
	candidates := []*ast.Definition{t}
	for _, possible := range o.schema.GetPossibleTypes(t) {
		candidates = append(candidates, possible)
		candidates = append(candidates, o.schema.GetImplements(possible)...)
	}
	return candidates[o.IntN(len(candidates))]
}

func (o *operations) conditions() string {
	if o.IntN(8) > 0 {
		return ""
	}
	name := []string{"skip", "include"}[o.IntN(2)]
	if o.IntN(3) == 0 {
		return fmt.Sprintf(" @%s(if: %v)", name, o.IntN(2) == 0)
	}
	variable := fmt.Sprintf("c%d", o.IntN(3))
	o.variables[variable] = "Boolean!"
	o.values[variable] = o.IntN(2) == 0
	return fmt.Sprintf(" @%s(if: $%s)", name, variable)
}

func (o *operations) arguments(f *ast.FieldDefinition) string {
	var out []string
	for _, a := range f.Arguments {
		if !(a.Type.NonNull && a.DefaultValue == nil) && o.IntN(2) == 0 {
			continue
		}
		if o.IntN(3) > 0 {
			out = append(out, a.Name+": "+o.literal(a.Type, 2))
			continue
		}
		name := fmt.Sprintf("v%d", len(o.values))
		o.variables[name] = a.Type.String()
		if a.Type.NonNull || o.IntN(4) > 0 {
			o.values[name] = o.value(a.Type, 2)
		}
		out = append(out, a.Name+": $"+name)
	}
	if out == nil {
		return ""
	}
	return "(" + strings.Join(out, ", ") + ")"
}

func (o *operations) literal(t *ast.Type, depth int) string {
	text := fmt.Sprintf("%#v", o.value(t, depth))
	// Go's syntax to GraphQL's.
	for _, r := range [][2]string{{"map[string]interface {}", ""}, {"[]interface {}", ""}, {"<nil>", "null"}, {"interface {}(nil)", "null"}} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return literalNames(text)
}

// literalNames makes JSON's names and lists, as Go prints them, those of GraphQL.
func literalNames(text string) string {
	for _, name := range []string{"color", "min", "names", "inner"} {
		text = strings.ReplaceAll(text, `"`+name+`":`, name+": ")
	}
	for _, color := range []string{"RED", "GREEN", "BLUE"} {
		text = strings.ReplaceAll(text, `"`+color+`"`, color)
	}
	return strings.NewReplacer(`names: {`, `names: [`, `"}`, `"]`, `names: [}`, `names: []`).Replace(text)
}

func (o *operations) value(t *ast.Type, depth int) any {
	if !t.NonNull && o.IntN(4) == 0 {
		return nil
	}
	if t.Elem != nil {
		out := []any{}
		for range o.IntN(3) {
			out = append(out, o.value(t.Elem, depth-1))
		}
		return out
	}
	switch t.NamedType {
	case "Int":
		return int64(o.IntN(8))
	case "ID":
		return fmt.Sprint(o.IntN(30))
	case "Float":
		return float64(o.IntN(9)) + 0.5
	case "Boolean":
		return o.IntN(2) == 0
	case "String":
		return []string{"x", "a b", "é"}[o.IntN(3)]
	case "Color":
		return []string{"RED", "GREEN", "BLUE"}[o.IntN(3)]
	case "Filter":
		out := map[string]any{}
		for _, f := range o.schema.Types["Filter"].Fields {
			if o.IntN(2) == 0 && (f.Name != "inner" || depth > 0) {
				out[f.Name] = o.value(f.Type, depth-1)
			}
		}
		return out
	}
	panic("no values of " + t.NamedType)
}
