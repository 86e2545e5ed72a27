package simdjson

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/race"
)

// typeMaker makes types at random: what reflect can build, of leaves with methods
// and tags that encoding/json treats in a way of its own.
type typeMaker struct{ *rand.Rand }

var (
	leafTypes = []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](),
		reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](),
		reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[float64](), reflect.TypeFor[any](), reflect.TypeFor[[]byte](),
		reflect.TypeFor[named](), reflect.TypeFor[number](), reflect.TypeFor[bytish](), reflect.TypeFor[json.Number](),
		reflect.TypeFor[json.RawMessage](), reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](),
	}
	rareTypes = append([]reflect.Type{
		reflect.TypeFor[float32](), reflect.TypeFor[uintptr](), reflect.TypeFor[complex128](), reflect.TypeFor[chan int](),
		reflect.TypeFor[counted](), reflect.TypeFor[recursive](), reflect.TypeFor[map[upper]int](), reflect.TypeFor[map[float64]int](),
	}, targets...)
	keyTypes   = []reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[string](), reflect.TypeFor[named](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[uint8](), reflect.TypeFor[uint64](), reflect.TypeFor[int64](), reflect.TypeFor[upper](), reflect.TypeFor[bool]()}
	fieldNames = []string{"A", "B", "ID", "Name", "Kind", "Sk", "URL", "X1", "Größe", "Snake_case"}
	fieldTags  = []string{"", "", "", `json:"a"`, `json:"id"`, `json:"ID"`, `json:"name,omitempty"`, `json:",omitempty"`, `json:",string"`, `json:"s,string"`, `json:"-"`, `json:"-,"`, `json:",omitzero"`, `json:"kind"`, `json:"a.b"`, `json:"größe"`, `json:"bad\"name"`, `json:"x,inline"`}
)

func (m typeMaker) typ(depth int) reflect.Type {
	switch n := m.IntN(20); {
	case n < 1:
		return pickOne(m.Rand, rareTypes)
	case n < 8 || depth == 0:
		return pickOne(m.Rand, leafTypes)
	case n < 13:
		return m.structure(depth - 1)
	case n < 15:
		return reflect.SliceOf(m.typ(depth - 1))
	case n < 16:
		return reflect.ArrayOf(m.IntN(4), m.typ(depth-1))
	case n < 18:
		return reflect.MapOf(pickOne(m.Rand, keyTypes), m.typ(depth-1))
	default:
		return reflect.PointerTo(m.typ(depth - 1))
	}
}

func (m typeMaker) structure(depth int) reflect.Type {
	var fields []reflect.StructField
	for _, i := range m.Perm(len(fieldNames))[:m.IntN(6)] {
		fields = append(fields, reflect.StructField{Name: fieldNames[i], Type: m.typ(depth), Tag: reflect.StructTag(pickOne(m.Rand, fieldTags))})
	}
	if m.IntN(8) == 0 {
		fields = append(fields, reflect.StructField{Name: "Exported", Type: reflect.TypeFor[Exported](), Anonymous: true})
	}
	return reflect.StructOf(fields)
}

func pickOne[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// spoil makes a text that fits a type into one that nearly does: with other cases of
// letters, members twice, nulls, other values, and bytes that are no JSON.
func (m *jsonMaker) spoil(text []byte) []byte {
	for range m.IntN(3) {
		if len(text) == 0 {
			return text
		}
		at := m.IntN(len(text))
		switch m.IntN(8) {
		case 0:
			text = []byte(strings.ToUpper(string(text)))
		case 1:
			text = []byte(strings.ToLower(string(text)))
		case 2: // A letter in the other case.
			if c := text[at] | 0x20; c >= 'a' && c <= 'z' {
				text[at] ^= 0x20
			}
		case 3: // A value is another one.
			if i := strings.IndexByte(string(text[at:]), ':'); i >= 0 {
				rest := m.afterValue(text[at+i+1:])
				m.b = m.b[:0]
				m.value(2)
				text = append(append(text[:at+i+1:at+i+1], m.b...), rest...)
			}
		case 4: // An object has its members twice.
			if i := strings.IndexByte(string(text[at:]), '{'); i >= 0 {
				rest := m.afterValue(text[at+i:])
				object := text[at+i : len(text)-len(rest)]
				if len(object) > 2 && object[len(object)-1] == '}' {
					twice := append(append([]byte(nil), object[:len(object)-1]...), ',')
					twice = append(twice, object[1:]...)
					text = append(append(text[:at+i:at+i], twice...), rest...)
				}
			}
		case 5:
			text = append(text[:at:at], append([]byte(pickOne(m.Rand, []string{" ", "\xff", "\x00", "1", "\"", "}", "]", ",", "null", "-", "é", "ſ", "İ", `\u212a`})), text[at:]...)...)
		case 6:
			text = text[:at]
		default:
			text = append(text, pickOne(m.Rand, []string{" ", "\n", "x", "{}", "\x00"})...)
		}
	}
	return text
}

// afterValue returns what follows the value at the start of a text.
func (m *jsonMaker) afterValue(text []byte) []byte {
	d := json.NewDecoder(strings.NewReader(string(text)))
	var raw json.RawMessage
	if d.Decode(&raw) != nil {
		return nil
	}
	return text[d.InputOffset():]
}

// TestUnmarshalPairs compares Unmarshal with encoding/json: its value and its error,
// for 10^5 pairs of a type and a text made at random, with GQLBOOST_LONG=1 10^7.
func TestUnmarshalPairs(t *testing.T) {
	types, texts, seed := 250, 200, uint64(1) // Each text is decoded twice.
	switch {
	case os.Getenv("GQLBOOST_LONG") != "":
		types, texts, seed = 5000, 1000, rand.Uint64()
	case race.Enabled || testing.Short():
		types, texts = 40, 50
	}
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	maker := typeMaker{r}
	m := &jsonMaker{Rand: r}
	fast, pairs := 0, 0
	for range types {
		typ := maker.typ(4)
		for range texts {
			m.b = nil
			m.fit(typ, 6)
			text := m.spoil(m.b)
			if targetFitness(reflect.New(typ).Interface()) != unfit {
				fast++
			}
			pairs += 2
			comparePair(t, typ, text)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d pairs, %.0f %% of the types are sonic's", pairs, 200*float64(fast)/float64(pairs))
}

// comparePair decodes a text into a zero value, and once more over the result.
func comparePair(t *testing.T, typ reflect.Type, text []byte) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("%v from %q: %v", typ, text, p))
		}
	}()
	want, got := reflect.New(typ), reflect.New(typ)
	for range 2 {
		wantErr := json.Unmarshal(text, want.Interface())
		err := Unmarshal(text, got.Interface())
		compareUnmarshaled(t, typ, text, want, got, wantErr, err)
	}
}
