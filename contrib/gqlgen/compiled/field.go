package compiled

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/internal/sets"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
)

// Call is what generated code gets for a call, beside its context.
type Call struct {
	// EC is the generated *executionContext of the operation.
	EC any
	// Args are the converted arguments of the field. They are shared by the calls of a column.
	Args map[string]any
}

// Field describes a field of an object.
type Field struct {
	Name string
	// Type is the field's type in the schema's language, and Named the name in it.
	Type, Named string
	// Abstract is "INTERFACE" if the field's type is one.
	Abstract string
	// Method and Resolver are those of graphql.FieldContext.
	Method, Resolver bool
	// Waits says that calls may wait, so that they must run at once.
	Waits bool
	// Args converts arguments; nil if there are none.
	Args func(ctx context.Context, c *Call, raw map[string]any) (map[string]any, error)
	// Fresh are arguments that are converted for each call unless they are null: those whose
	// values a resolver could modify, and those whose conversion has effects.
	Fresh []string
	// Unshared says that arguments are always converted for each call.
	Unshared bool
	// Batch says that gqlgen's function for the whole field calls a batch resolver.
	Batch bool
	own   bool // whether gqlgen's function executes it

	// Child returns the field context of a field of the field's object; nil if it has none.
	Child func(ctx context.Context, c *Call, field graphql.CollectedField) (*graphql.FieldContext, error)
}

func (f *Field) nonNull() bool { return isNonNull(f.Type) }

func isNonNull(declared string) bool { return declared[len(declared)-1] == '!' }

// childless is the error of a FieldContext's Child.
func (f *Field) childless() string {
	if f.Abstract != "" {
		return "FieldContext.Child cannot be called on type " + f.Abstract
	}
	return "field of type " + f.Named + " does not have child fields"
}

// definition is a field with how its value is made: one of the functions is set.
type definition[T, V any] struct {
	*Field
	typ   Type[V]
	get   func(T) V
	call  func(*Call) callOne[T, V]
	batch func(*Call) callAll[T, V]
	// What the resolver may offer beside; nil if it may not.
	json   func(*Call) writeJSON[T]
	chunks func(*Call) makeChunks[T, V]
	// own is gqlgen's function for the whole field. V is graphql.Marshaler.
	own func(ctx context.Context, c *Call, field graphql.CollectedField, obj T) V
}

// The calls of a column: for one object, and for all.
type (
	callOne[T, V any] func(ctx context.Context, c *Call, obj T) (V, error)
	callAll[T, V any] func(ctx context.Context, c *Call, objs []T) ([]V, error)
)

// Object is an object type of the schema. T is what generated code holds objects by.
type Object[T any] struct {
	name        string
	implementor []string
	fields      map[string]fieldOf[T]
}

// fieldOf is a definition of any type.
type fieldOf[T any] interface {
	plan(c *compiler, p *planned) stepOf[T]
	info() *Field
	offersJSON(offer func(*Call) writeJSON[T])
}

func (d *definition[T, V]) info() *Field { return d.Field }

// NewObject returns an object type without fields. Its implementors are its own name and
// those of its interfaces and unions, as gqlgen has them.
func NewObject[T any](name string, implementors []string) *Object[T] {
	return &Object[T]{name: name, implementor: implementors, fields: map[string]fieldOf[T]{}}
}

func add[T, V any](o *Object[T], d *definition[T, V]) {
	if o.fields[d.Name] != nil {
		panic(fmt.Sprintf("compiled: field %s.%s is defined twice", o.name, d.Name))
	}
	o.fields[d.Name] = d
}

// Plain adds a field that is read without waiting, and without an error.
func Plain[T, V any](o *Object[T], f Field, typ Type[V], get func(T) V) {
	add(o, &definition[T, V]{Field: &f, typ: typ, get: get})
}

// Method adds a field that is called, and may fail or wait.
func Method[T, V any](o *Object[T], f Field, typ Type[V], call func(context.Context, *Call, T) (V, error)) {
	add(o, &definition[T, V]{Field: &f, typ: typ, call: func(*Call) callOne[T, V] { return call }})
}

// Resolver adds a field with a resolver. The object's resolvers are asked for once for all
// calls of a column.
func Resolver[T, V, R any](o *Object[T], f Field, typ Type[V], resolvers func(*Call) R,
	call func(context.Context, *Call, R, T) (V, error),
) {
	add(o, &definition[T, V]{Field: &f, typ: typ, call: func(c *Call) callOne[T, V] {
		r := resolvers(c)
		return func(ctx context.Context, c *Call, obj T) (V, error) { return call(ctx, c, r, obj) }
	}})
}

// Batch adds a field whose resolver takes all objects of a group.
func Batch[T, V, R any](o *Object[T], f Field, typ Type[V], resolvers func(*Call) R,
	batch func(context.Context, *Call, R, []T) ([]V, error),
) {
	add(o, &definition[T, V]{Field: &f, typ: typ, batch: func(c *Call) callAll[T, V] {
		r := resolvers(c)
		return func(ctx context.Context, c *Call, objs []T) ([]V, error) { return batch(ctx, c, r, objs) }
	}})
}

// Own adds a field that gqlgen executes, with all that is below it.
func Own[T any](o *Object[T], f Field, own func(context.Context, *Call, graphql.CollectedField, T) graphql.Marshaler) {
	f.own = true
	add(o, &definition[T, graphql.Marshaler]{Field: &f, typ: Leaf(f.Type, ownMarshaler), own: own})
}

// planned is a field at one place of the selection.
type planned struct {
	collected graphql.CollectedField
	object    string
	info      *Field
	key       []byte // of the response, with a colon
	hidden    bool   // another field with the same key is written
	varies    bool   // its arguments depend on variables
	constant  constant
	offers    offers
	declined  atomic.Bool // whether the resolver does not write JSON of this selection

	selections *selection.Maker
	selected   atomic.Pointer[selection.Selection] // if it has been asked for
}

// selection returns what has been selected of the field's object, which few resolvers ask for. It is
// the field's own: what resolvers of other types keep for the same selections may be something else.
func (p *planned) selection() *selection.Selection {
	if s := p.selected.Load(); s != nil {
		return s
	}
	shared := p.selections.Selection(p.collected.Selections)
	p.selected.CompareAndSwap(nil, &selection.Selection{Fields: shared.Fields})
	return p.selected.Load()
}

// compiler compiles one operation.
type compiler struct {
	op      *graphql.OperationContext // what CollectFields needs
	watched bool
	call    *Call  // without arguments
	query   bool   // whether it is one
	lists   int    // above the place that is being compiled
	hidden  bool   // whether it is below a field that is not written
	streams int    // steps so far whose resolvers offer to stream a list
	inside  bool   // whether one does that is inside of another list
	waiting int    // steps so far whose calls may wait
	refused string // why the operation cannot be compiled

	selections *selection.Maker
	sets       sets.Numbers
	places     map[placeKey]any // that have been compiled
	fields     int              // in them
}

// placeKey is what a place is made of. The fields of an interface are selected of each of its
// types, and below each of them again: without places that are shared there would be a number of
// them that grows exponentially with the depth of the query.
type placeKey struct {
	object any // *Object[T]
	set    int
	inside bool // whether it is inside of a list
	hidden bool
}

// maxFields is how many fields the places of a plan may have. There are more only if fragments
// merge into ever other selections, which a query of n fragments can have 2^n of.
const maxFields = 10_000

func (c *compiler) refuse(reason string) {
	if c.refused == "" {
		c.refused = reason
	}
}

// place is a place of the selection at which there are objects of one type.
type place[T any] struct {
	object   *Object[T]
	steps    []stepOf[T]
	columns  []stepOf[T] // the steps that have one
	columnOf []int       // number of each step's column, -1 if it has none
	waiting  []int       // numbers of the columns that may wait when they are filled
	blocks   bool        // whether calls may wait, also those of the groups below
	streams  bool        // whether a resolver offers to stream a list, also one of those groups
}

// defers reports whether there is a deferred fragment in what gqlgen's functions would execute.
// Fragments that have been seen are left out.
func (c *compiler) defers(set ast.SelectionSet, seen map[string]bool) bool {
	return slices.ContainsFunc(set, func(s ast.Selection) bool {
		switch s := s.(type) {
		case *ast.Field:
			return c.defers(s.SelectionSet, seen)
		case *ast.InlineFragment:
			return s.Directives.ForName("defer") != nil || c.defers(s.SelectionSet, seen)
		case *ast.FragmentSpread:
			if s.Directives.ForName("defer") != nil {
				return true
			}
			fragment := c.op.Doc.Fragments.ForName(s.Name)
			if fragment == nil || seen[s.Name] {
				return false
			}
			seen[s.Name] = true
			return c.defers(fragment.SelectionSet, seen)
		}
		return false
	})
}

// compile returns the place of a selection.
func (o *Object[T]) compile(c *compiler, p *planned) *place[T] {
	if c.refused != "" {
		return nil
	}
	key := placeKey{o, c.sets.Of(p.collected.Selections), c.lists > 0, c.hidden}
	if known, ok := c.places[key].(*place[T]); ok {
		if known.blocks {
			c.waiting++
		}
		if known.streams {
			c.streams++
		}
		return known
	}
	out := o.compileFields(c, graphql.CollectFields(c.op, p.collected.Selections, o.implementor))
	c.places[key] = out
	return out
}

func (o *Object[T]) compileFields(c *compiler, fields []graphql.CollectedField) *place[T] {
	out := &place[T]{object: o, steps: make([]stepOf[T], 0, len(fields))}
	keys, waiting, streams := map[string]bool{}, c.waiting, c.streams
	if c.fields += len(fields); c.fields > maxFields {
		c.refuse("large plan")
	}
	for _, f := range fields {
		if c.refused != "" {
			return nil
		}
		p := &planned{collected: f, object: o.name, hidden: keys[f.Alias], key: append(appendString(nil, f.Alias), ':')}
		keys[f.Alias] = true
		if f.IsDeferred() {
			c.refuse("@defer")
		}
		d := o.fields[f.Name]
		switch {
		case f.Name == "__typename":
			out.steps = append(out.steps, typename[T]{p, appendString(nil, o.name)})
			out.columnOf = append(out.columnOf, -1)
			continue
		case f.Name == "__schema" || f.Name == "__type":
			c.refuse("introspection")
			continue
		case d == nil:
			c.refuse("field " + o.name + "." + f.Name)
			continue
		}
		p.info = d.info()
		if p.info.own && c.defers(f.Selections, map[string]bool{}) {
			c.refuse("@defer")
		}
		p.varies = variesBy(f)
		p.selections = c.selections
		hidden := c.hidden
		c.hidden = hidden || p.hidden
		s := d.plan(c, p)
		c.hidden = hidden
		out.steps = append(out.steps, s)
		if s.column(len(out.columns)) {
			if s.waits() {
				out.waiting = append(out.waiting, len(out.columns))
			}
			out.columnOf = append(out.columnOf, len(out.columns))
			out.columns = append(out.columns, s)
		} else {
			out.columnOf = append(out.columnOf, -1)
		}
	}
	out.blocks, out.streams = c.waiting > waiting, c.streams > streams
	return out
}
