package pgrows

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// typ is how values of a Postgres type are written.
type typ struct {
	name string
	// json writes a value from the binary format. If it is nil, the JSON is text as a
	// string.
	json encoder
	// text appends Postgres's own text of the binary format: what stands within the
	// texts of records and ranges. If it is nil, pgrows can not make that text.
	text texter
	// parse writes a value from the text format. If it is nil, the JSON is that text
	// as a string.
	parse encoder
	// quoted is writeBinary for a built-in type without json, made once.
	quoted encoder
	// delimiter stands between elements of an array's text: a comma, if it is 0.
	delimiter byte
	kind      kind
}

// kind says what a [Shape] can take apart.
type kind uint8

const (
	kindOther kind = iota
	kindRecord
	kindArray
)

func (t *typ) writeBinary(o *output, src []byte) error {
	switch {
	case t.json != nil:
		return t.named(t.json(o, src))
	case t.text != nil:
		return t.named(o.quoteText(t.text, src))
	}
	return t.refused()
}

// named adds the type to an error that does not say it.
func (t *typ) named(err error) error {
	for _, nameless := range []error{errLength, errText, errRange, errVersion} {
		if t.name != "" && errors.Is(err, nameless) {
			return fmt.Errorf("type %s: %w", t.name, err)
		}
	}
	return err
}

func (t *typ) appendText(o *output, to, src []byte) ([]byte, error) {
	if t.text == nil {
		return nil, t.refused()
	}
	to, err := t.text(o, to, src)
	return to, t.named(err)
}

func (t *typ) refused() error {
	return fmt.Errorf("type %s can not be read in the binary format: cast the value to text, or to a type that can",
		t.name)
}

func (t *typ) writeText(o *output, src []byte) error {
	if t.parse != nil {
		return t.parse(o, src)
	}
	o.w.StringBytes(src)
	return nil
}

// encoder returns how a column of the type is written.
func (t *typ) encoder(format int16) encoder {
	switch {
	case format != pgtype.BinaryFormatCode:
		if t.parse != nil {
			return t.parse
		}
		return writeString
	case t.json != nil:
		return t.json
	case t.quoted == nil:
		return t.writeBinary
	}
	return t.quoted
}

func writeString(o *output, src []byte) error { o.w.StringBytes(src); return nil }

// types are the types of one connection that are not built in: those that were
// registered with pgx, and those that were looked up in Postgres's catalog.
type types struct {
	m       *pgtype.Map
	options Options
	mu      sync.RWMutex
	known   map[uint32]entry

	zone     *time.Location // the last of its sessions
	zoneName string
}

// entry is a type with what was registered of it with pgx, nil for nothing.
type entry struct {
	typ  *typ // nil if nobody has asked for it yet
	told *pgtype.Type
}

func newTypes(m *pgtype.Map, o Options) *types {
	return &types{m: m, options: o}
}

// maxTypes bounds what is known of a connection's types: a program that makes types, such as those of
// temporary tables, must not fill the memory.
const maxTypes = 512

// fresh reports whether pgx knows the same of all types as when they were met, and they are not too
// many: a program may load a type again after ALTER TYPE.
func (s *types) fresh() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.known) > maxTypes {
		return false
	}
	for oid, e := range s.known {
		if told, _ := s.m.TypeForOID(oid); told != e.told {
			return false
		}
	}
	return true
}

// column returns how a column is written.
func (s *types) column(oid uint32, format int16) encoder {
	if _, told := s.m.TypeForOID(oid); !told && format != pgtype.BinaryFormatCode && builtins()[oid] == nil {
		s.met(oid)
		return s.unknownText(oid)
	}
	return s.later(oid).encoder(format)
}

// of returns a type.
func (s *types) of(o *output, oid uint32) (*typ, error) {
	if t := builtins()[oid]; t != nil {
		return t, nil
	}
	s.mu.RLock()
	e, ok := s.known[oid]
	s.mu.RUnlock()
	if ok && e.typ != nil {
		return e.typ, nil
	}
	told, _ := s.m.TypeForOID(oid)
	t, err := s.resolve(o, oid, told)
	if err != nil {
		return nil, err
	}
	if ok {
		told = e.told // Plans have been made with that.
	}
	s.know(oid, entry{t, told})
	return t, nil
}

// met notes a type that pgx does not know, so that the set is not fresh once it does.
func (s *types) met(oid uint32) {
	s.mu.RLock()
	_, ok := s.known[oid]
	s.mu.RUnlock()
	if !ok {
		s.know(oid, entry{})
	}
}

func (s *types) know(oid uint32, e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[uint32]entry{}
	}
	s.known[oid] = e
}

func (s *types) resolve(o *output, oid uint32, told *pgtype.Type) (*typ, error) {
	if told != nil {
		if t := s.told(told); t != nil {
			return t, nil
		}
	}
	f, err := factsOf(s.m).of(o, oid)
	if err != nil {
		return nil, err
	}
	if f.kind == factDomain {
		return s.of(o, f.of)
	}
	return s.fact(f), nil
}

// later returns a type that is resolved when its first value is written, since types
// may be nested, and a type that no value has need not be known.
func (s *types) later(oid uint32) *typ {
	if t := builtins()[oid]; t != nil {
		return t
	}
	return &typ{
		json: func(o *output, src []byte) error {
			t, err := s.of(o, oid)
			if err != nil {
				return err
			}
			return t.writeBinary(o, src)
		},
		text: func(o *output, to, src []byte) ([]byte, error) {
			t, err := s.of(o, oid)
			if err != nil {
				return nil, err
			}
			return t.appendText(o, to, src)
		},
		parse: func(o *output, src []byte) error {
			t, err := s.of(o, oid)
			if err != nil {
				return err
			}
			return t.writeText(o, src)
		},
	}
}

// told returns a type that was registered with pgx, nil if its codec does not say
// what it is.
func (s *types) told(t *pgtype.Type) *typ {
	switch c := t.Codec.(type) {
	case *pgtype.ArrayCodec:
		return arrayOf(t.Name, s.later(c.ElementType.OID), c.Delimiter)
	case *pgtype.CompositeCodec:
		return s.composite(t.Name, c)
	case *pgtype.RangeCodec:
		return rangeOf(t.Name, s.later(c.ElementType.OID))
	case *pgtype.MultirangeCodec:
		return multirangeOf(t.Name, s.later(c.ElementType.OID))
	case *pgtype.EnumCodec, pgtype.TextCodec, *pgtype.TextCodec:
		return stringType(t.Name)
	case pgtype.HstoreCodec, *pgtype.HstoreCodec:
		return hstoreType
	case pgtype.LtreeCodec, *pgtype.LtreeCodec:
		return versioned(t.Name)
	}
	if base, known := builtinOf(t.Codec); known {
		return base
	}
	if base := s.replaced(t.Codec); base != nil {
		return base
	}
	return foreign(s.m, t)
}

// replaced returns the built-in type for which pgx was given this codec, such as a decimal's for numeric:
// LoadType gives it to domains of that. It is nil if there is none, or several. Codecs of one Go type that
// differ are those of different types.
func (s *types) replaced(codec pgtype.Codec) (base *typ) {
	for i := range builtinTable {
		row := &builtinTable[i]
		t, ok := s.m.TypeForOID(row.oid)
		if !ok || row.made != aScalar || !reflect.DeepEqual(t.Codec, codec) {
			continue
		}
		if base != nil {
			return nil
		}
		base = &row.typ
	}
	return base
}

// foreign is a type of somebody else's codec, which is asked for text.
func foreign(m *pgtype.Map, t *pgtype.Type) *typ {
	return &typ{name: t.Name, text: func(o *output, to, src []byte) ([]byte, error) {
		v, err := t.Codec.DecodeValue(m, t.OID, pgtype.BinaryFormatCode, src)
		if err != nil {
			return nil, fmt.Errorf("type %s: %w", t.Name, err)
		}
		text, err := m.Encode(t.OID, pgtype.TextFormatCode, v, nil)
		if err != nil {
			return nil, fmt.Errorf("type %s: its codec has no text for a value (cast it to text): %w", t.Name, err)
		}
		return append(to, text...), nil
	}}
}

// fact returns a type of the catalog.
func (s *types) fact(f fact) *typ {
	switch f.kind {
	case factArray:
		return arrayOf(f.name, s.later(f.of), f.delimiter)
	case factComposite:
		return recordType(f.name)
	case factRange:
		return rangeOf(f.name, s.later(f.of))
	case factMultirange:
		return multirangeOf(f.name, s.later(f.of))
	case factText:
		return stringType(f.name)
	case factHstore:
		return hstoreType
	case factVersioned:
		return versioned(f.name)
	}
	return &typ{name: f.name}
}

// unknownText writes the text of a type of which neither pgx nor pgrows has been told.
// Only those of arrays, which begin like one, are no strings (and of hstore, if that is
// wanted as an object): for them, the catalog is asked.
func (s *types) unknownText(oid uint32) encoder {
	return func(o *output, src []byte) error {
		if !likeArray(src) && !o.options.HstoreAsObject {
			o.w.StringBytes(src)
			return nil
		}
		t, err := s.of(o, oid)
		if err != nil {
			return err
		}
		return t.writeText(o, src)
	}
}

// typeSets are the types of connections.
type typeSets struct {
	options Options
	mu      sync.RWMutex
	sets    map[*pgtype.Map]*types
}

// maxSets bounds the connections of which types are remembered: they may have gone.
const maxSets = 512

func (s *typeSets) of(m *pgtype.Map) *types {
	s.mu.RLock()
	set := s.sets[m]
	s.mu.RUnlock()
	if set != nil && set.fresh() {
		return set
	}
	set = newTypes(m, s.options)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sets == nil || len(s.sets) >= maxSets {
		s.sets = map[*pgtype.Map]*types{}
	}
	s.sets[m] = set
	return set
}
