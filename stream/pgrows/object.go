package pgrows

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	separator  = "__"
	listSuffix = "[]"
)

// object is how columns of a row become an object.
type object struct {
	path     string
	typename string
	members  []member
	list     *object // its elements are consecutive rows
	listName stream.Name
	// listCalled is the index of the list's name among those of the plan.
	listCalled int
	element    bool // of a list: it is left out if its key is null
	level      int  // how many lists it is in
}

// state is what is known of an object while rows are written.
type state struct {
	open bool   // its list is being written
	key  []byte // of the open object
	null bool   // that key is null
}

// member is a column or an object.
type member struct {
	name   stream.Name
	called int // the index of the name among those of the plan
	column int
	encode encoder
	object *object
	label  string // of the column, for errors
}

// plan arranges columns by their names.
func plan(fields []pgconn.FieldDescription, types *types) (*object, error) {
	p := planner{options: &types.options, names: make([]string, 0, len(fields))}
	root := &object{typename: types.options.Typenames[""], members: make([]member, 0, len(fields))}
	for i := range fields {
		f := &fields[i]
		at, name := root, f.Name
		// A name that begins with the separator is one, such as __typename.
		for !strings.HasPrefix(f.Name, separator) {
			part, rest, more := strings.Cut(name, separator)
			if !more {
				break
			}
			var err error
			if at, err = p.inner(at, part, f.Name); err != nil {
				return nil, err
			}
			name = rest
		}
		if strings.HasSuffix(name, listSuffix) {
			return nil, fmt.Errorf("pgrows: column %q: an element of a list has members (%s%sid)", f.Name, f.Name, separator)
		}
		at.members = append(at.members, member{called: p.name(name), column: i, encode: types.column(f.DataTypeOID, f.Format),
			label: f.Name})
	}
	root.setNames(stream.NewNames(p.names))
	return root, root.check(true)
}

// planner collects the names of members, which are made together.
type planner struct {
	options *Options
	names   []string
	inside  map[innerKey]*object
}

type innerKey struct {
	in   *object
	part string
}

// name returns the index of a member's name.
func (p *planner) name(part string) int {
	if p.options.Rename != nil {
		part = p.options.Rename(part)
	}
	p.names = append(p.names, part)
	return len(p.names) - 1
}

// inner returns the object for a part of a column's name.
func (p *planner) inner(at *object, part, column string) (*object, error) {
	key := innerKey{at, part}
	if known := p.inside[key]; known != nil {
		return known, nil
	}
	inner := &object{path: strings.TrimPrefix(at.path+separator+part, separator)}
	inner.typename = p.options.Typenames[inner.path]
	if p.inside == nil {
		p.inside = map[innerKey]*object{}
	}
	p.inside[key] = inner
	name, isList := strings.CutSuffix(part, listSuffix)
	called := p.name(name)
	switch {
	case !isList:
		at.members = append(at.members, member{called: called, object: inner})
	case at.list != nil:
		return nil, fmt.Errorf("pgrows: column %q: %q has a list already", column, at.path)
	default:
		inner.element, inner.level = true, at.level+1
		at.list, at.listCalled = inner, called
	}
	return inner, nil
}

func (ob *object) setNames(names []stream.Name) {
	for i := range ob.members {
		m := &ob.members[i]
		if m.name = names[m.called]; m.object != nil {
			m.object.setNames(names)
		}
	}
	if ob.list != nil {
		ob.listName = names[ob.listCalled]
		ob.list.setNames(names)
	}
}

// check finds what cannot be written.
func (ob *object) check(mayList bool) error {
	if ob.list != nil {
		if !mayList {
			return fmt.Errorf("pgrows: %q: a list inside of an object that is not an element of a list", ob.list.path)
		}
		if len(ob.members) == 0 || ob.members[0].object != nil {
			return fmt.Errorf("pgrows: %q: its list needs a key: the first of its columns", ob.path)
		}
		if err := ob.list.check(true); err != nil {
			return err
		}
	}
	if ob.element && (len(ob.members) == 0 || ob.members[0].object != nil) {
		return fmt.Errorf("pgrows: %q: an element needs a key: the first of its columns", ob.path)
	}
	for _, m := range ob.members {
		if m.object != nil {
			if err := m.object.check(false); err != nil {
				return err
			}
		}
	}
	return nil
}

// depth returns how many objects can be open.
func (ob *object) depth() int {
	if ob.list == nil {
		return ob.level + 1
	}
	return ob.list.depth()
}

// rows writes all rows, and returns the number of objects. It sets ended when the rows
// have ended, before it writes what closes open lists: the connection may be another caller's by then.
func (ob *object) rows(o *output, rows pgx.Rows, ended *bool) (n int64, err error) {
	states := o.states[:]
	if depth := ob.depth(); depth > len(states) {
		states = make([]state, depth)
	}
	for more := true; more; more = rows.Next() {
		begins, err := ob.row(o, rows.RawValues(), states)
		if err == nil {
			err = o.w.Err()
		}
		if err != nil {
			return n, err
		}
		if begins {
			n++
		}
	}
	*ended = true
	if rows.Err() == nil {
		ob.close(o.w, states)
	}
	return n, nil
}

// row writes what a row adds, and reports whether that begins an object. states has
// one for each level.
func (ob *object) row(o *output, values [][]byte, states []state) (begins bool, err error) {
	w := o.w
	var key []byte
	if ob.element || ob.list != nil {
		key = values[ob.members[0].column]
	}
	if ob.list == nil {
		if ob.element && key == nil {
			return false, nil
		}
		w.BeginObject()
		if err := ob.fields(o, values); err != nil {
			return false, err
		}
		w.EndObject()
		return true, nil
	}
	s := &states[ob.level]
	if !s.open || !bytes.Equal(key, s.key) || (key == nil) != s.null {
		ob.close(w, states)
		if ob.element && key == nil {
			return false, nil
		}
		w.BeginObject()
		if err := ob.fields(o, values); err != nil {
			return false, err
		}
		w.Member(ob.listName)
		w.BeginArray()
		s.open, s.key, s.null = true, append(s.key[:0], key...), key == nil
		begins = true
	}
	_, err = ob.list.row(o, values, states)
	return begins, err
}

// close ends the object whose list is open.
func (ob *object) close(w *stream.Writer, states []state) {
	if ob.list == nil || !states[ob.level].open {
		return
	}
	ob.list.close(w, states)
	w.EndArray()
	w.EndObject()
	states[ob.level].open = false
}

func (ob *object) fields(o *output, values [][]byte) error {
	w := o.w
	if ob.typename != "" {
		w.Member(typenameName)
		w.String(ob.typename)
	}
	for i := range ob.members {
		m := &ob.members[i]
		w.Member(m.name)
		if m.object != nil {
			if m.object.null(values) {
				w.Null()
				continue
			}
			w.BeginObject()
			if err := m.object.fields(o, values); err != nil {
				return err
			}
			w.EndObject()
			continue
		}
		value := values[m.column]
		if value == nil {
			w.Null()
			continue
		}
		if err := m.encode(o, value); err != nil {
			return columnError(m.label, err)
		}
	}
	return nil
}

var typenameName = stream.NewName("__typename")

// null reports whether all columns of an object are.
func (ob *object) null(values [][]byte) bool {
	for i := range ob.members {
		m := &ob.members[i]
		if m.object != nil && !m.object.null(values) || m.object == nil && values[m.column] != nil {
			return false
		}
	}
	return true
}
