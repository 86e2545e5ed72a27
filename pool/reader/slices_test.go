package reader_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5/pgtype"
)

// Slices are encoded as pgx encodes them, for every type of a parameter and in both formats:
// the same bytes, and an error where pgx has one.
func TestSlicesAsPgx(t *testing.T) {
	theirs := pgtype.NewMap()
	ours := reader.CopyMap(theirs)
	compared := 0
	for oid := uint32(0); oid < 5000; oid++ {
		if _, ok := theirs.TypeForOID(oid); !ok && oid != 0 && oid != 4999 {
			continue
		}
		for range 20 {
			for _, value := range []any{someOf(someInt), someOf(someInt64), someOf(someText), someOf(someInt32)} {
				for _, format := range []int16{pgtype.TextFormatCode, pgtype.BinaryFormatCode} {
					want, wantErr := theirs.Encode(oid, format, value, nil)
					got, err := ours.Encode(oid, format, value, nil)
					if !bytes.Equal(got, want) || (got == nil) != (want == nil) || (err == nil) != (wantErr == nil) {
						t.Fatalf("type %d, format %d, %#v: %q, %v, pgx %q, %v", oid, format, value, got, err, want, wantErr)
					}
					if err != nil && err.Error() != wantErr.Error() {
						t.Errorf("type %d, format %d, %#v: %v, pgx %v", oid, format, value, err, wantErr)
					}
					if err == nil {
						compared++
					}
				}
			}
		}
	}
	if compared < 1000 {
		t.Errorf("%d values were encoded", compared)
	}
}

// A wrapper of the host's comes first.
func TestSlicesOfAHost(t *testing.T) {
	source := pgtype.NewMap()
	source.TryWrapEncodePlanFuncs = append([]pgtype.TryWrapEncodePlanFunc{
		func(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
			if v, ok := value.([]int); ok {
				return new(reversing), pgtype.FlatArray[int](v), true
			}
			return nil, nil, false
		},
	}, source.TryWrapEncodePlanFuncs...)
	got, err := reader.CopyMap(source).Encode(pgtype.Int8ArrayOID, pgtype.TextFormatCode, []int{1, 2}, nil)
	if string(got) != "{2,1}" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

type reversing struct{ next pgtype.EncodePlan }

func (r *reversing) SetNext(next pgtype.EncodePlan) { r.next = next }
func (r *reversing) Encode(value any, buf []byte) ([]byte, error) {
	v := value.([]int)
	return r.next.Encode(pgtype.FlatArray[int]{v[1], v[0]}, buf)
}

// A thousand keys cost no more allocations than one.
func TestSlicesDoNotAllocate(t *testing.T) {
	m := reader.CopyMap(pgtype.NewMap())
	buf := make([]byte, 0, 64<<10)
	encode := func(keys any) float64 {
		return testing.AllocsPerRun(10, func() {
			if _, err := m.Encode(pgtype.Int8ArrayOID, pgtype.BinaryFormatCode, keys, buf); err != nil {
				t.Fatal(err)
			}
		})
	}
	many := make([]int, 1000)
	for i := range many {
		many[i] = 1 << 30
	}
	if one, all := encode(many[:1]), encode(many); all > one {
		t.Errorf("%v allocations for 1000 keys, %v for one", all, one)
	}
}

func someOf[E any](some func() E) []E {
	n := rand.IntN(6) - 1
	if n < 0 {
		return nil
	}
	out := make([]E, n)
	for i := range out {
		out[i] = some()
	}
	return out
}

func someInt64() int64 {
	edges := []int64{0, 1, -1, 255, 256, math.MaxInt16, math.MaxInt16 + 1, math.MaxInt32, math.MaxInt32 + 1, math.MinInt64, math.MaxInt64}
	if rand.IntN(2) == 0 {
		return edges[rand.IntN(len(edges))]
	}
	return rand.Int64() >> rand.IntN(64)
}

func someInt() int     { return int(someInt64()) }
func someInt32() int32 { return int32(someInt64()) }

func someText() string {
	texts := []string{"", "a", `"`, `\`, "NULL", "null", "{", "a,b", " x ", "1", "-7", "1.5", "true",
		"2020-01-02", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "\xff", "ü", `{"a":1}`, "127.0.0.1"}
	return texts[rand.IntN(len(texts))]
}
