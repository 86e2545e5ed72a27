package pgrows

import (
	"reflect"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"
)

var builtinTypes struct {
	once sync.Once
	all  map[uint32]*typ
}

// builtins returns the types that every server has under the same OIDs.
func builtins() map[uint32]*typ {
	builtinTypes.once.Do(func() { builtinTypes.all = makeBuiltins() })
	return builtinTypes.all
}

func makeBuiltins() map[uint32]*typ {
	all := make(map[uint32]*typ, 2*len(builtinTable))
	for i := range builtinTable {
		row := &builtinTable[i]
		t := row.typ.of(row.made, all[row.of])
		all[row.oid] = t
		if row.array != 0 {
			all[row.array] = arrayOf(t.name+"[]", t, t.delimiter)
		}
	}
	for _, t := range all {
		t.quoted = t.writeBinary
	}
	return all
}

// of returns the type itself, or what is made of another one under its name.
func (t *typ) of(m made, other *typ) *typ {
	switch m {
	case aRecord:
		return recordType(t.name)
	case aVector:
		return vectorOf(t.name, other)
	case aRange:
		return rangeOf(t.name, other)
	case aMultirange:
		return multirangeOf(t.name, other)
	}
	return t
}

// builtinOf returns the built-in type that pgx gives a codec to, for a domain has the
// codec of its base. It is nil for a codec that several types have, and known is false
// for those of others.
func builtinOf(codec pgtype.Codec) (t *typ, known bool) {
	t, known = byCodec()[reflect.TypeOf(codec)]
	return t, known
}

var byCodec = sync.OnceValue(func() map[reflect.Type]*typ {
	m, all := pgtype.NewMap(), map[reflect.Type]*typ{}
	for i := range builtinTable {
		row := &builtinTable[i]
		t, ok := m.TypeForOID(row.oid)
		if !ok || row.made != aScalar {
			continue
		}
		codec := reflect.TypeOf(t.Codec)
		if _, again := all[codec]; again {
			all[codec] = nil
		} else {
			all[codec] = &row.typ
		}
	}
	return all
})

// sized checks the length of a value before it is read.
func sized(n int, write func(o *output, src []byte)) encoder {
	return func(o *output, src []byte) error {
		if len(src) != n {
			return errLength
		}
		write(o, src)
		return nil
	}
}

func textSized(n int, text func(to, src []byte) []byte) texter {
	return func(_ *output, to, src []byte) ([]byte, error) {
		if len(src) != n {
			return nil, errLength
		}
		return text(to, src), nil
	}
}

// stringType is a type whose binary format is its text.
func stringType(name string) *typ {
	return &typ{name: name, json: writeString, text: appendAsIs}
}

// plainType is a type of whose text no character needs an escape in JSON.
func plainType(name string, text texter) typ {
	return typ{name: name, text: text, json: func(o *output, src []byte) error { return o.plain(text, src) }}
}

// versioned is a type whose binary format is the byte 1 and its text.
func versioned(name string) *typ {
	return &typ{name: name, json: unversioned(writeString), text: func(_ *output, to, src []byte) ([]byte, error) {
		if len(src) == 0 || src[0] != 1 {
			return nil, errVersion
		}
		return append(to, src[1:]...), nil
	}}
}

func unversioned(write encoder) encoder {
	return func(o *output, src []byte) error {
		if len(src) == 0 || src[0] != 1 {
			return errVersion
		}
		return write(o, src[1:])
	}
}

// vectorOf is int2vector or oidvector: an array with a text of its own.
func vectorOf(name string, element *typ) *typ {
	array := arrayOf(name, element, ' ')
	return &typ{
		name: name,
		json: array.json,
		text: func(o *output, to, src []byte) ([]byte, error) {
			d, src, err := readDimensions(src)
			if err != nil || d.n == 0 {
				return to, err
			}
			for i := range d.lengths[0] {
				var value []byte
				if value, src, err = field(src); err != nil {
					return nil, err
				}
				if i > 0 {
					to = append(to, ' ')
				}
				if to, err = element.text(o, to, value); err != nil {
					return nil, err
				}
			}
			return to, ended(src)
		},
		parse: parseVector(element),
	}
}
