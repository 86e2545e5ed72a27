package reader_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5/pgtype"
)

// shouting is a codec of a host that encodes strings in its own way, but what wraps one as pgx
// does.
type shouting struct{ pgtype.TextCodec }

func (c shouting) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	switch value.(type) {
	case string:
		return shoutingPlan{}
	}
	return c.TextCodec.PlanEncode(m, oid, format, value)
}

type shoutingPlan struct{}

func (shoutingPlan) Encode(value any, buf []byte) ([]byte, error) {
	return append(buf, strings.ToUpper(value.(string))...), nil
}

// Elements that the host encodes in its own way are given to it as with pgx: by a codec, or by a
// wrapper of their Go type.
func TestElementsOfAHost(t *testing.T) {
	register := map[string]func(*pgtype.Map){
		"codec": func(m *pgtype.Map) {
			element := &pgtype.Type{Name: "shout", OID: 70000, Codec: shouting{}}
			m.RegisterType(element)
			m.RegisterType(&pgtype.Type{Name: "_shout", OID: 70001, Codec: &pgtype.ArrayCodec{ElementType: element}})
		},
		"codec of a known type": func(m *pgtype.Map) {
			m.RegisterType(&pgtype.Type{Name: "text", OID: pgtype.TextOID, Codec: shouting{}})
		},
		"wrapper": func(m *pgtype.Map) {
			m.TryWrapEncodePlanFuncs = append([]pgtype.TryWrapEncodePlanFunc{wrapNegated}, m.TryWrapEncodePlanFuncs...)
		},
		"wrapper of another type": func(m *pgtype.Map) {
			m.TryWrapEncodePlanFuncs = append([]pgtype.TryWrapEncodePlanFunc{wrapNothing}, m.TryWrapEncodePlanFuncs...)
		},
	}
	for name, register := range register {
		theirs := pgtype.NewMap()
		register(theirs)
		ours := reader.CopyMap(theirs)
		for _, oid := range []uint32{pgtype.TextArrayOID, pgtype.Int8ArrayOID, 70001} {
			for _, format := range []int16{pgtype.TextFormatCode, pgtype.BinaryFormatCode} {
				for _, value := range []any{[]string{"a", "b"}, []int{1, 2}, []int64{3}, []string{}} {
					want, wantErr := theirs.Encode(oid, format, value, nil)
					got, err := ours.Encode(oid, format, value, nil)
					if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
						t.Errorf("%s, type %d, format %d, %v: %q, %v, pgx %q, %v", name, oid, format, value, got, err, want, wantErr)
					}
				}
			}
		}
	}
}

// wrapNegated wraps integers of the host's.
func wrapNegated(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
	if n, ok := value.(int); ok {
		return new(negating), int64(-n), true
	}
	return nil, nil, false
}

// wrapNothing is a wrapper of a type that no slice has.
func wrapNothing(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
	if v, ok := value.(struct{ s string }); ok {
		return new(negating), v.s, true
	}
	return nil, nil, false
}

type negating struct{ next pgtype.EncodePlan }

func (n *negating) SetNext(next pgtype.EncodePlan) { n.next = next }
func (n *negating) Encode(value any, buf []byte) ([]byte, error) {
	return n.next.Encode(-int64(value.(int)), buf)
}
