package compiled

import (
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
)

// Type is an output type of the schema, held by Go values of type V.
type Type[V any] interface {
	compile(c *compiler, p *planned) node[V]
}

// node is a type at a place of the selection.
type node[V any] interface {
	// fill takes values and adds the groups of objects in them. Values whose state is not
	// present are not looked at; states may be nil.
	fill(f *filling, at *level, values []V, states []state) column
}

// column is a number of values that can be written.
type column interface {
	// write writes value i, and reports whether it is valid: one that must not be null but
	// is has been reported, and what has been written of it is in the way.
	write(w *Writer, i int) bool
}

// state says what became of a call.
type state uint8

const (
	present  state = iota
	null           // it is null, and an error has been added if there is one
	required       // it is null and may not be, whatever the schema says
	other          // it is a graphql.Marshaler of middleware
)

// filling collects the groups in a column.
type filling struct {
	run    *run
	groups []runner
	first  [1]runner // where groups begins
}

func (f *filling) add(g runner) {
	if f.groups == nil {
		f.groups = f.first[:0]
	}
	f.groups = append(f.groups, g)
}

// runner is a group of any type.
type runner interface{ run(x *run) }

// execute runs the groups.
func (f *filling) execute() {
	switch len(f.groups) {
	case 0:
	case 1:
		f.groups[0].run(f.run)
	default:
		f.run.workers.each(len(f.groups), 0, func(i int) { f.groups[i].run(f.run) })
	}
}

// nullable is what types have in common: their declaration in the schema's language.
type nullable struct {
	declared string
	nonNull  bool
}

func declare(declared string) nullable { return nullable{declared, isNonNull(declared)} }

func (n *nullable) required() bool { return n.nonNull }

// missing writes a value that is nil.
func (n *nullable) missing(w *Writer, at *level, i int) bool {
	if n.nonNull {
		graphql.AddInvalidNullError(w.run.context(at, i), n.declared)
		return false
	}
	w.null()
	return true
}

// close ends a value that began at start of the buffer: if it is not valid, it is null.
func (n *nullable) close(w *Writer, start int, valid bool) bool {
	if valid {
		return true
	}
	w.truncate(start)
	if n.nonNull {
		return false
	}
	w.null()
	return true
}

// ListOf is a list. Indexed says that gqlgen gives each element a field context with its
// index: the elements are no scalars.
func ListOf[E any](declared string, indexed bool, elem Type[E]) Type[[]E] {
	strict := isNonNull(strings.TrimSuffix(strings.TrimSuffix(declared, "!"), "]"))
	return &listType[E]{declare(declared), indexed, strict, elem}
}

type listType[E any] struct {
	nullable
	indexed bool // whether elements have contexts of their own
	strict  bool // whether elements must not be null
	elem    Type[E]
}

func (t *listType[E]) compile(c *compiler, p *planned) node[[]E] {
	c.lists++
	defer func() { c.lists-- }()
	return &listNode[E]{t, t.elem.compile(c, p)}
}

func (t *listType[E]) isList() {}

type listNode[E any] struct {
	*listType[E]
	elem node[E]
}

func (n *listNode[E]) fill(f *filling, at *level, values [][]E, states []state) column {
	c := &listColumn[E]{node: n, values: values, ends: make([]int32, len(values)+1)}
	total := 0
	for i, v := range values {
		if states == nil || states[i] == present {
			total += len(v)
		}
		c.ends[i+1] = int32(total)
	}
	var flat []E
	if len(values) == 1 && total > 0 {
		flat = values[0]
	} else if total > 0 {
		flat = make([]E, 0, total)
		for i, v := range values {
			if states == nil || states[i] == present {
				flat = append(flat, v...)
			}
		}
	}
	if n.indexed {
		c.at = level{up: at, list: c.ends, of: elementsOf[E](flat)}
	} else {
		// Their errors are those of the list.
		c.at = level{up: at, from: make([]int32, total)}
		for i := range values {
			for j := c.ends[i]; j < c.ends[i+1]; j++ {
				c.at.from[j] = int32(i)
			}
		}
	}
	c.elements = n.elem.fill(f, &c.at, flat, nil)
	return c
}

// elementsOf are the elements of lists.
type elementsOf[E any] []E

// value implements [values].
func (e elementsOf[E]) value(i int) any { return &e[i] }

type listColumn[E any] struct {
	node     *listNode[E]
	values   [][]E
	ends     []int32 // value i's elements are those from ends[i] to ends[i+1]
	at       level   // of the elements
	elements column
}

func (c *listColumn[E]) write(w *Writer, i int) bool {
	if c.values[i] == nil && !c.node.nonNull {
		w.null()
		return true
	}
	start, valid := w.pos(), true
	w.buf = append(w.buf, '[')
	for j := c.ends[i]; j < c.ends[i+1]; j++ {
		if j > c.ends[i] {
			w.buf = append(w.buf, ',')
		}
		valid = c.elements.write(w, int(j)) && valid
	}
	w.buf = append(w.buf, ']')
	return c.node.close(w, start, valid)
}

// Pointer is an object that is held by a pointer.
func Pointer[E any](declared string, o *Object[*E]) Type[*E] {
	return &objectType[*E, E]{declare(declared), o, func(v **E) *E { return *v }}
}

// Value is an object that is held by value.
func Value[E any](declared string, o *Object[*E]) Type[E] {
	return &objectType[E, E]{declare(declared), o, func(v *E) *E { return v }}
}

type objectType[V, E any] struct {
	nullable
	object *Object[*E]
	to     func(*V) *E
}

func (t *objectType[V, E]) compile(c *compiler, p *planned) node[V] {
	return &objectNode[V, E]{t, t.object.compile(c, p)}
}

type objectNode[V, E any] struct {
	*objectType[V, E]
	place *place[*E]
}

func (n *objectNode[V, E]) fill(f *filling, at *level, values []V, states []state) column {
	c := &objectColumn[E]{nullable: &n.nullable, at: at}
	objects, whole := any(values).([]*E)
	for i := range objects {
		whole = whole && objects[i] != nil
	}
	if !whole {
		objects = make([]*E, 0, len(values))
		var from []int32
		c.index = make([]int32, len(values))
		for i := range values {
			c.index[i] = -1
			if states != nil && states[i] != present {
				continue
			}
			if v := n.to(&values[i]); v != nil {
				c.index[i] = int32(len(objects))
				objects = append(objects, v)
				from = append(from, int32(i))
			}
		}
		at = &level{up: at, from: from}
	}
	c.group = newGroup(f, n.place, at, objects)
	return c
}

type objectColumn[E any] struct {
	nullable *nullable
	at       *level
	index    []int32 // of each value in the group, -1 if it is nil; nil if they are the same
	group    *group[*E]
}

func (c *objectColumn[E]) write(w *Writer, i int) bool {
	k := i
	if c.index != nil {
		if k = int(c.index[i]); k < 0 {
			return c.nullable.missing(w, c.at, i)
		}
	}
	start := w.pos()
	return c.nullable.close(w, start, c.group.write(w, k))
}

// lost reports whether the value must not be null but is.
func (c *objectColumn[E]) lost(i int) bool {
	if c.index != nil {
		i = int(c.index[i])
	}
	return c.nullable.nonNull && (i < 0 || c.group.lost(i))
}

// Abstract is an interface or a union. Cases are tried in order.
func Abstract[V any](declared, name string, cases ...Case[V]) Type[V] {
	return &abstractType[V]{declare(declared), name, cases}
}

// Case is one of the concrete types of an interface or a union.
type Case[V any] interface {
	compile(c *compiler, p *planned) caseNode[V]
}

// caseNode is a case at a place of the selection.
type caseNode[V any] interface {
	begin() caseGroup[V]
}

// caseGroup collects the objects of one case.
type caseGroup[V any] interface {
	// take adds a value, if it is of this case. The value is nil if it returns -1.
	take(v V) (index int, taken bool)
	fill(f *filling, at *level, from []int32)
	write(w *Writer, i int) bool
	lost(i int) bool
}

// CaseOf is the case of a concrete type: as returns the object if v is one.
func CaseOf[V, E any](o *Object[*E], as func(v V) (obj *E, ok bool)) Case[V] {
	return &objectCase[V, E]{o, as}
}

type objectCase[V, E any] struct {
	object *Object[*E]
	as     func(V) (*E, bool)
}

func (o *objectCase[V, E]) compile(c *compiler, p *planned) caseNode[V] {
	return &objectCaseNode[V, E]{o.as, o.object.compile(c, p)}
}

type objectCaseNode[V, E any] struct {
	as    func(V) (*E, bool)
	place *place[*E]
}

func (n *objectCaseNode[V, E]) begin() caseGroup[V] { return &objectCaseGroup[V, E]{node: n} }

type objectCaseGroup[V, E any] struct {
	node    *objectCaseNode[V, E]
	objects []*E
	group   *group[*E]
}

func (g *objectCaseGroup[V, E]) take(v V) (int, bool) {
	obj, ok := g.node.as(v)
	if !ok || obj == nil {
		return -1, ok
	}
	g.objects = append(g.objects, obj)
	return len(g.objects) - 1, true
}

func (g *objectCaseGroup[V, E]) fill(f *filling, at *level, from []int32) {
	g.group = newGroup(f, g.node.place, &level{up: at, from: from}, g.objects)
}

func (g *objectCaseGroup[V, E]) write(w *Writer, i int) bool { return g.group.write(w, i) }

func (g *objectCaseGroup[V, E]) lost(i int) bool { return g.group.lost(i) }

type abstractType[V any] struct {
	nullable
	name  string
	cases []Case[V]
}

func (t *abstractType[V]) compile(c *compiler, p *planned) node[V] {
	n := &abstractNode[V]{abstractType: t}
	for _, each := range t.cases {
		n.cases = append(n.cases, each.compile(c, p))
	}
	return n
}

type abstractNode[V any] struct {
	*abstractType[V]
	cases []caseNode[V]
}

// concrete says where a value of an abstract column is.
type concrete struct{ kind, index int32 }

// Kinds of values that are of no case.
const (
	isNil     = -1 // the interface is nil
	isNothing = -2 // it is null, and nobody is to be told
	isOther   = -3 // it writes itself
)

func (n *abstractNode[V]) fill(f *filling, at *level, values []V, states []state) column {
	c := &abstractColumn[V]{
		node: n, at: at, values: values,
		where: make([]concrete, len(values)), groups: make([]caseGroup[V], len(n.cases)),
	}
	from := make([][]int32, len(n.cases))
	for i, v := range values {
		if states == nil || states[i] == present {
			c.where[i] = c.take(f.run, i, v, from)
		}
	}
	for k, g := range c.groups {
		if g != nil {
			g.fill(f, at, from[k])
		}
	}
	return c
}

type abstractColumn[V any] struct {
	node   *abstractNode[V]
	at     *level
	values []V
	where  []concrete
	groups []caseGroup[V] // by case; nil if there is no object
}

// take finds the case of a value.
func (c *abstractColumn[V]) take(x *run, i int, v V, from [][]int32) concrete {
	if any(v) == nil {
		return concrete{kind: isNil}
	}
	for k, n := range c.node.cases {
		g := c.groups[k]
		if g == nil {
			g = n.begin()
		}
		index, taken := g.take(v)
		if !taken {
			continue
		}
		if index < 0 {
			return concrete{kind: isNothing} // gqlgen adds no error for such a pointer.
		}
		c.groups[k] = g
		from[k] = append(from[k], int32(i))
		return concrete{int32(k), int32(index)}
	}
	if _, ok := any(v).(graphql.Marshaler); ok {
		return concrete{kind: isOther}
	}
	x.recovered(x.context(c.at, i),
		fmt.Errorf("unexpected type %T; non-generated variants of %s must implement graphql.Marshaler", v, c.node.name))
	return concrete{kind: isNothing}
}

func (c *abstractColumn[V]) write(w *Writer, i int) bool {
	start := w.pos()
	switch at := c.where[i]; at.kind {
	case isNil:
		return c.node.missing(w, c.at, i)
	case isNothing:
		return c.node.close(w, start, false)
	case isOther:
		w.marshalLater(any(c.values[i]).(graphql.Marshaler))
		return true
	default:
		return c.node.close(w, start, c.groups[at.kind].write(w, int(at.index)))
	}
}

// lost reports whether the value must not be null but is.
func (c *abstractColumn[V]) lost(i int) bool {
	switch at := c.where[i]; at.kind {
	case isNil, isNothing:
		return c.node.nonNull
	case isOther:
		return false
	default:
		return c.node.nonNull && c.groups[at.kind].lost(int(at.index))
	}
}
