package pgrows

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
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
	columns  []int // all of the object itself, which is null if they all are
	element  bool  // of a list: it is left out if its key is null
	level    int   // how many lists it is in
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
	column int
	encode encoder
	object *object
	label  string // of the column, for errors
}

// plan arranges columns by their names.
func plan(fields []pgconn.FieldDescription, types *pgtype.Map, o Options) (*object, error) {
	root := &object{typename: o.Typenames[""]}
	names := map[*object]map[string]*object{}
	rename := o.Rename
	if rename == nil {
		rename = func(s string) string { return s }
	}
	for i, f := range fields {
		at := root
		parts := strings.Split(f.Name, separator)
		if strings.HasPrefix(f.Name, separator) { // Such as __typename.
			parts = []string{f.Name}
		}
		for _, part := range parts[:len(parts)-1] {
			inner := names[at][part]
			if inner == nil {
				inner = &object{path: strings.TrimPrefix(at.path+separator+part, separator)}
				inner.typename = o.Typenames[inner.path]
				if names[at] == nil {
					names[at] = map[string]*object{}
				}
				names[at][part] = inner
				name, isList := strings.CutSuffix(part, listSuffix)
				switch handle := stream.NewName(rename(name)); {
				case !isList:
					at.members = append(at.members, member{name: handle, object: inner})
				case at.list != nil:
					return nil, fmt.Errorf("pgrows: column %q: %q has a list already", f.Name, at.path)
				default:
					inner.element, inner.level = true, at.level+1
					at.list, at.listName = inner, handle
				}
			}
			at = inner
		}
		name := parts[len(parts)-1]
		if strings.HasSuffix(name, listSuffix) {
			return nil, fmt.Errorf("pgrows: column %q: an element of a list has members (%s%sid)", f.Name, f.Name, separator)
		}
		at.members = append(at.members, member{name: stream.NewName(rename(name)), column: i, encode: encoderOf(f.DataTypeOID, f.Format, types, o), label: f.Name})
	}
	return root, root.check(true)
}

// check finds the columns of each object, and what cannot be written.
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
		if m.object == nil {
			ob.columns = append(ob.columns, m.column)
			continue
		}
		if err := m.object.check(false); err != nil {
			return err
		}
		ob.columns = append(ob.columns, m.object.columns...)
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

// row writes what a row adds, and tells whether that begins an object. states has
// one for each level.
func (ob *object) row(w *stream.Writer, values [][]byte, states []state) (begins bool, err error) {
	var key []byte
	if ob.element || ob.list != nil {
		key = values[ob.members[0].column]
	}
	if ob.list == nil {
		if ob.element && key == nil {
			return false, nil
		}
		w.BeginObject()
		if err := ob.fields(w, values); err != nil {
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
		if err := ob.fields(w, values); err != nil {
			return false, err
		}
		w.Member(ob.listName)
		w.BeginArray()
		s.open, s.key, s.null = true, append(s.key[:0], key...), key == nil
		begins = true
	}
	_, err = ob.list.row(w, values, states)
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

func (ob *object) fields(w *stream.Writer, values [][]byte) error {
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
			if err := m.object.fields(w, values); err != nil {
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
		if err := m.encode(w, value); err != nil {
			return columnError(m.label, err)
		}
	}
	return nil
}

var typenameName = stream.NewName("__typename")

func (ob *object) null(values [][]byte) bool {
	for _, column := range ob.columns {
		if values[column] != nil {
			return false
		}
	}
	return true
}
