package main

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/pgrows"
)

// errNotPlanned is the error for whatever is left to the server behind this one: what is
// not valid, introspection, and requests that end in an error.
var errNotPlanned = errors.New("direct: not planned")

const maxTokens = 10_000 // of a query, as the blog has it

// query is an operation that is valid. Its plan depends on the variables of @skip and
// @include.
type query struct {
	operation  *ast.OperationDefinition
	conditions []string
	plan       *plan // if there are no conditions
}

// plan is what answers an operation.
type plan struct {
	mutation bool
	steps    []step
}

// step is a field of the operation.
type step struct {
	key      string
	name     stream.Name
	constant string // of __typename
	field    *ast.Field
	with     statement
	without  *statement // its optional argument; nil if there is none
	optional argument
	list     bool
	shape    *pgrows.Shape
}

// statement is SQL and its parameters.
type statement struct {
	sql       string
	arguments []argument
}

// parse returns the operation of a text.
func parse(schema *ast.Schema, text, operationName string) (*query, error) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, maxTokens)
	if err != nil {
		return nil, errNotPlanned
	}
	if errs := validator.ValidateWithRules(schema, doc, nil); len(errs) > 0 {
		return nil, errNotPlanned
	}
	operation := doc.Operations.ForName(operationName)
	if operation == nil {
		return nil, errNotPlanned
	}
	q := &query{operation: operation}
	conditions := map[string]bool{}
	findConditions(operation.SelectionSet, conditions)
	for _, v := range operation.VariableDefinitions { // in a fixed order
		if conditions[v.Variable] {
			q.conditions = append(q.conditions, v.Variable)
		}
	}
	if len(q.conditions) == 0 {
		q.plan, err = compile(q.operation, nil)
	}
	return q, err
}

func findConditions(set ast.SelectionSet, found map[string]bool) {
	directives := func(list ast.DirectiveList) {
		for _, d := range list {
			for _, a := range d.Arguments {
				if a.Value.Kind == ast.Variable {
					found[a.Value.Raw] = true
				}
			}
		}
	}
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			directives(s.Directives)
			findConditions(s.SelectionSet, found)
		case *ast.InlineFragment:
			directives(s.Directives)
			findConditions(s.SelectionSet, found)
		case *ast.FragmentSpread:
			directives(s.Directives)
			findConditions(s.Definition.SelectionSet, found)
		}
	}
}

// compiler compiles one operation.
type compiler struct{ variables map[string]any }

// compile makes a plan, in which the values of conditions are fixed.
func compile(operation *ast.OperationDefinition, variables map[string]any) (*plan, error) {
	c := &compiler{variables}
	p := &plan{mutation: operation.Operation == ast.Mutation}
	if operation.Operation == ast.Subscription {
		return nil, errNotPlanned
	}
	fields, err := c.collect(nil, operation.SelectionSet)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		s := step{key: f.key, name: stream.NewName(f.key), field: f.field}
		if f.name == "__typename" {
			s.constant = f.field.ObjectDefinition.Name
			p.steps = append(p.steps, s)
			continue
		}
		definition, ok := roots[f.name]
		if p.mutation {
			definition, ok = mutations[f.name]
		}
		if !ok {
			return nil, errNotPlanned
		}
		shape, err := s.compile(c, f, definition)
		if err != nil {
			return nil, err
		}
		s.list, s.shape = definition.list, pgrows.NewShape(shape, pgrows.Options{})
		p.steps = append(p.steps, s)
	}
	return p, nil
}

// compile makes the statements of a field, and returns the shape of their rows.
func (s *step) compile(c *compiler, f *selected, definition root) (shape []pgrows.Field, err error) {
	w := &writer{compiler: c}
	s.with.sql, shape, err = w.statement(f, definition, false)
	s.with.arguments = w.arguments
	if err != nil || definition.optional == "" {
		return shape, err
	}
	if s.optional, err = c.argument(f.field, definition.optional, 0); err != nil {
		return nil, err
	}
	w = &writer{compiler: c}
	s.without = new(statement)
	s.without.sql, _, err = w.statement(f, definition, true)
	s.without.arguments = w.arguments
	return shape, err
}

// statement returns the statement for some variables, and its arguments.
func (s *step) statement(variables map[string]any) (sql string, arguments []any, err error) {
	use := &s.with
	if s.without != nil {
		v, err := s.optional.value(variables)
		if err != nil {
			return "", nil, err
		}
		if v == nil {
			use = s.without
		}
	}
	arguments = make([]any, len(use.arguments))
	for i := range use.arguments {
		if arguments[i], err = use.arguments[i].value(variables); err != nil {
			return "", nil, err
		}
	}
	return use.sql, arguments, nil
}

// selected is a field with all that is selected of it, in however many places.
type selected struct {
	key, name string
	field     *ast.Field
	selection []*selected
}

// collect adds what a selection set selects.
func (c *compiler) collect(to []*selected, set ast.SelectionSet) (_ []*selected, err error) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if on, err := c.included(s.Directives); err != nil || !on {
				if err != nil {
					return nil, err
				}
				continue
			}
			var f *selected
			for _, known := range to {
				if known.key == s.Alias {
					f = known
				}
			}
			if f == nil {
				f = &selected{key: s.Alias, name: s.Name, field: s}
				to = append(to, f)
			}
			if f.selection, err = c.collect(f.selection, s.SelectionSet); err != nil {
				return nil, err
			}
		case *ast.InlineFragment:
			// The schema has neither interfaces nor unions, so a type condition that is
			// valid holds.
			if to, err = c.fragment(to, s.Directives, s.SelectionSet); err != nil {
				return nil, err
			}
		case *ast.FragmentSpread:
			if to, err = c.fragment(to, s.Directives, s.Definition.SelectionSet); err != nil {
				return nil, err
			}
		}
	}
	return to, nil
}

func (c *compiler) fragment(to []*selected, directives ast.DirectiveList, set ast.SelectionSet) ([]*selected, error) {
	on, err := c.included(directives)
	if err != nil || !on {
		return to, err
	}
	return c.collect(to, set)
}

func (c *compiler) included(directives ast.DirectiveList) (bool, error) {
	for _, d := range directives {
		if d.Name != "skip" && d.Name != "include" {
			return false, errNotPlanned
		}
		value, err := d.Arguments.ForName("if").Value.Value(c.variables)
		if err != nil {
			return false, errNotPlanned
		}
		if on, _ := value.(bool); on != (d.Name == "include") {
			return false, nil
		}
	}
	return true, nil
}

// argument is a value of a statement.
type argument struct {
	variable string // "" if it is constant
	constant any    // or what the argument is if the variable is not given
	most     int64  // of a page
	kind     string // the scalar's name
	required bool
}

// argument finds an argument of a field.
func (c *compiler) argument(f *ast.Field, name string, most int64) (argument, error) {
	definition := f.Definition.Arguments.ForName(name)
	a := argument{most: most, kind: definition.Type.Name(), required: definition.Type.NonNull}
	if definition.DefaultValue != nil {
		value, err := definition.DefaultValue.Value(nil)
		if err != nil {
			return a, errNotPlanned
		}
		a.constant = value
	}
	switch given := f.Arguments.ForName(name); {
	case given == nil:
	case given.Value.Kind == ast.Variable:
		a.variable = given.Value.Raw
	default:
		value, err := given.Value.Value(nil)
		if err != nil {
			return a, errNotPlanned
		}
		a.constant = value
	}
	return a, nil
}

// value returns the value for Postgres.
func (a *argument) value(variables map[string]any) (any, error) {
	v := a.constant
	if a.variable != "" {
		if given, ok := variables[a.variable]; ok {
			v = given
		}
	}
	if v == nil {
		if a.required {
			return nil, errNotPlanned
		}
		return nil, nil
	}
	switch a.kind {
	case "ID":
		return integer(v)
	case "Int":
		n, err := integer(v)
		if err != nil || n < 0 || n > a.most {
			return nil, errNotPlanned
		}
		return n, nil
	default:
		s, ok := v.(string)
		if !ok || strings.ContainsRune(s, 0) {
			return nil, errNotPlanned
		}
		return s, nil
	}
}

func integer(v any) (int64, error) {
	var n int64
	var err error
	switch v := v.(type) {
	case int64:
		n = v
	case int:
		n = int64(v)
	case string:
		n, err = strconv.ParseInt(v, 10, 64)
	case json.Number:
		n, err = v.Int64()
	default:
		err = errNotPlanned
	}
	if err != nil {
		return 0, errNotPlanned
	}
	return n, nil
}
