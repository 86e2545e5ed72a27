package reader

import (
	"reflect"
	"slices"
	"sync"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// types gives callers copies of a connection's type map. pgx uses a map from one goroutine
// only, so neither a map nor what is registered in it needs to be safe for concurrent use:
// the callers of a shared connection each have a copy, in which pgx's codecs with a state
// are new.
type types struct {
	copies sync.Pool // of *pgtype.Map
}

func newTypes(source *pgtype.Map) *types {
	t := &types{}
	// Once for a connection: the host's wrappers are asked, by one goroutine.
	wrappers := encodeWrappers(source)
	t.copies.New = func() any { return copyMap(source, wrappers) }
	return t
}

func (t *types) get() *pgtype.Map  { return t.copies.Get().(*pgtype.Map) }
func (t *types) put(m *pgtype.Map) { t.copies.Put(m) }

// copyMap returns a map with the types, the defaults of Go types and the scan wrappers of another,
// and with the encode wrappers.
func copyMap(source *pgtype.Map, wrappers []pgtype.TryWrapEncodePlanFunc) *pgtype.Map {
	// Map.Copy has the types only.
	m := source.Copy()
	m.TryWrapEncodePlanFuncs = slices.Clone(wrappers)
	m.TryWrapScanPlanFuncs = slices.Clone(source.TryWrapScanPlanFuncs)
	c := copier{}
	for _, t := range registered(m) {
		if own := c.typ(t); own != t {
			m.RegisterType(own)
		}
	}
	for t, name := range *goTypes(source) {
		m.RegisterDefaultPgType(reflect.Zero(t).Interface(), name)
	}
	return m
}

// goTypes returns what RegisterDefaultPgType has kept, or nil if pgx keeps it in another way.
func goTypes(m *pgtype.Map) *map[reflect.Type]string {
	field := reflect.ValueOf(m).Elem().FieldByName("reflectTypeToName")
	if !field.IsValid() || field.Type() != reflect.TypeFor[map[reflect.Type]string]() {
		return nil
	}
	return (*map[reflect.Type]string)(unsafe.Pointer(field.UnsafeAddr()))
}

// stateful returns the name of a type whose codec may have a state that only one
// goroutine may use, or "". Nothing is known about codecs that are not pgx's: without
// fields they have none.
func stateful(m *pgtype.Map) string {
	for _, t := range registered(m) {
		if foreign(t.Codec, func(of reflect.Type) bool { return of.Size() > 0 }) {
			return t.Name
		}
	}
	return ""
}

// foreign reports whether a codec, or one within it, is not pgx's and of such a type.
func foreign(codec pgtype.Codec, such func(reflect.Type) bool) bool {
	within := func(t *pgtype.Type) bool { return t != nil && foreign(t.Codec, such) }
	switch known := codec.(type) {
	case nil:
		return false
	case *pgtype.ArrayCodec:
		return within(known.ElementType)
	case *pgtype.RangeCodec:
		return within(known.ElementType)
	case *pgtype.MultirangeCodec:
		return within(known.ElementType)
	case *pgtype.CompositeCodec:
		return slices.ContainsFunc(known.Fields, func(f pgtype.CompositeCodecField) bool { return within(f.Type) })
	case *pgtype.TextFormatOnlyCodec:
		return foreign(known.Codec, such)
	}
	of := reflect.TypeOf(codec)
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	return of.PkgPath() != pgtypePath && such(of)
}

// registered returns the types of a map that were registered with it: those that pgx
// knows without, which are the same for all connections, have no state. pgtype.Map does not
// list them, so they are read from its field; a test fails if that is gone.
func registered(m *pgtype.Map) (list []*pgtype.Type) {
	for oid := range reflect.ValueOf(m).Elem().FieldByName("oidToType").Seq2() {
		if t, ok := m.TypeForOID(uint32(oid.Uint())); ok {
			list = append(list, t)
		}
	}
	return list
}

// copier copies types whose codecs must not be shared, each once.
type copier map[*pgtype.Type]*pgtype.Type

// typ returns the type itself if it may be shared.
func (c copier) typ(t *pgtype.Type) *pgtype.Type {
	if t == nil {
		return nil
	}
	if own, ok := c[t]; ok {
		return own
	}
	c[t] = t // until it is known; types do not contain themselves
	if codec := c.codec(t.Codec); codec != nil {
		own := *t
		own.Codec = codec
		c[t] = &own
	}
	return c[t]
}

const pgtypePath = "github.com/jackc/pgx/v5/pgtype"

// codec returns a copy, or nil if the codec may be shared.
func (c copier) codec(codec pgtype.Codec) pgtype.Codec {
	switch known := codec.(type) {
	case *pgtype.EnumCodec:
		return &pgtype.EnumCodec{}
	case *pgtype.TextFormatOnlyCodec:
		if own := c.codec(known.Codec); own != nil {
			return &pgtype.TextFormatOnlyCodec{Codec: own}
		}
	case *pgtype.ArrayCodec:
		if element := c.typ(known.ElementType); element != known.ElementType {
			own := *known
			own.ElementType = element
			return &own
		}
	case *pgtype.RangeCodec:
		if element := c.typ(known.ElementType); element != known.ElementType {
			return &pgtype.RangeCodec{ElementType: element}
		}
	case *pgtype.MultirangeCodec:
		if element := c.typ(known.ElementType); element != known.ElementType {
			return &pgtype.MultirangeCodec{ElementType: element}
		}
	case *pgtype.CompositeCodec:
		fields, changed := slices.Clone(known.Fields), false
		for i, f := range fields {
			fields[i].Type = c.typ(f.Type)
			changed = changed || fields[i].Type != f.Type
		}
		if changed {
			return &pgtype.CompositeCodec{Fields: fields}
		}
	}
	return nil
}
