package reader

import (
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"
)

// encodeWrappers returns the encode wrappers of a map, with one more for the usual slices, such as
// the keys of data loaders: they are encoded without an allocation for each element, because pgx's
// own wrapper makes an interface of each element's value, and ours of its address. The bytes are
// the same. Wrappers of the host come first, as with pgx. If the host may encode elements in its
// own way it is given them as pgx gives them, so nothing is added then.
func encodeWrappers(m *pgtype.Map) []pgtype.TryWrapEncodePlanFunc {
	list := slices.Clone(m.TryWrapEncodePlanFuncs)
	at := slices.IndexFunc(list, func(f pgtype.TryWrapEncodePlanFunc) bool {
		return sameFunc(f, pgtype.TryWrapSliceEncodePlan)
	})
	if at < 0 || ownElements(m) {
		return list
	}
	return slices.Insert(list, at, wrapSlice)
}

// sameFunc reports whether two wrappers are the same function.
func sameFunc(f, g pgtype.TryWrapEncodePlanFunc) bool {
	return reflect.ValueOf(f).Pointer() == reflect.ValueOf(g).Pointer()
}

// ownElements reports whether the host may encode an element by its Go type: it has codecs of
// its own, or a wrapper of such a type.
func ownElements(m *pgtype.Map) bool {
	for _, t := range registered(m) {
		if foreign(t.Codec, func(reflect.Type) bool { return true }) {
			return true
		}
	}
	theirs := pgtype.NewMap().TryWrapEncodePlanFuncs
	for _, try := range m.TryWrapEncodePlanFuncs {
		if slices.ContainsFunc(theirs, func(f pgtype.TryWrapEncodePlanFunc) bool { return sameFunc(f, try) }) {
			continue
		}
		for _, element := range []any{int(0), int64(0), ""} {
			if _, _, ok := try(element); ok {
				return true
			}
		}
	}
	return false
}

// wrapSlice is a pgtype.TryWrapEncodePlanFunc.
func wrapSlice(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
	switch v := value.(type) {
	case []int:
		return &slicePlan[ints, int]{}, ints(v), true
	case []int64:
		return &slicePlan[bigints, int64]{}, bigints(v), true
	case []string:
		return &slicePlan[texts, string]{}, texts(v), true
	}
	return nil, nil, false
}

// slicePlan encodes a slice of E as an S.
type slicePlan[S ~[]E, E any] struct{ next pgtype.EncodePlan }

// SetNext implements pgtype.WrappedEncodePlanNextSetter.
func (p *slicePlan[S, E]) SetNext(next pgtype.EncodePlan) { p.next = next }

// Encode implements pgtype.EncodePlan.
func (p *slicePlan[S, E]) Encode(value any, buf []byte) ([]byte, error) {
	return p.next.Encode(S(value.([]E)), buf)
}

// The slices are pgtype.ArrayGetter.
type (
	ints    []int
	bigints []int64
	texts   []string
)

func (s ints) Dimensions() []pgtype.ArrayDimension    { return pgtype.FlatArray[int](s).Dimensions() }
func (s bigints) Dimensions() []pgtype.ArrayDimension { return pgtype.FlatArray[int64](s).Dimensions() }
func (s texts) Dimensions() []pgtype.ArrayDimension   { return pgtype.FlatArray[string](s).Dimensions() }

func (s ints) Index(i int) any    { return (*intElement)(&s[i]) }
func (s bigints) Index(i int) any { return (*bigintElement)(&s[i]) }
func (s texts) Index(i int) any   { return (*textElement)(&s[i]) }

func (ints) IndexType() any    { return (*intElement)(nil) }
func (bigints) IndexType() any { return (*bigintElement)(nil) }
func (texts) IndexType() any   { return (*textElement)(nil) }

// The elements are pgtype.Int64Valuer and pgtype.TextValuer.
type (
	intElement    int
	bigintElement int64
	textElement   string
)

func (e *intElement) Int64Value() (pgtype.Int8, error) {
	return pgtype.Int8{Int64: int64(*e), Valid: true}, nil
}

func (e *bigintElement) Int64Value() (pgtype.Int8, error) {
	return pgtype.Int8{Int64: int64(*e), Valid: true}, nil
}

func (e *textElement) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: string(*e), Valid: true}, nil
}
