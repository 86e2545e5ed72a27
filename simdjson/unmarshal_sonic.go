//go:build amd64 && !purego && !gqlboost_nosonic

package simdjson

import (
	"bytes"
	"encoding"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/bytedance/sonic"
)

// decoder does not check strings: texts have been checked before.
var decoder = sonic.Config{CopyString: true}.Froze()

// decodeWithSonic returns false if encoding/json must do it: what it has stored
// then does not count.
func decodeWithSonic(data []byte, target any) bool {
	return !peculiar(data) && decoder.Unmarshal(data, target) == nil
}

// peculiar reports whether a text may have what sonic takes for something else than
// encoding/json does:
//   - a name that only one of them takes for one of ASCII in another case. The long s
//     (U+017F) is an S for encoding/json, which folds, and the dotted I (U+0130) an i for
//     sonic, which lowers. The Kelvin sign is a k for both;
//   - the number -0, which is not unsigned.
func peculiar(data []byte) bool {
	return followed(data, '\xC5', func(rest []byte) bool { return rest[0] == '\xBF' }) ||
		followed(data, '\xC4', func(rest []byte) bool { return rest[0] == '\xB0' }) ||
		followed(data, '\\', func(rest []byte) bool {
			return rest[0] == 'u' && (bytes.HasPrefix(rest, escapedLongS) || bytes.HasPrefix(rest, escapedDottedI))
		}) ||
		followed(data, '-', func(rest []byte) bool { return rest[0] == '0' && (len(rest) == 1 || rest[1] != '.') })
}

var escapedLongS, escapedDottedI = []byte("u017"), []byte("u0130")

// followed reports whether what follows a byte, at any of its places, is as asked
// for.
func followed(data []byte, c byte, as func(rest []byte) bool) bool {
	for {
		at := bytes.IndexByte(data, c)
		if at < 0 || at+1 == len(data) {
			return false
		}
		if data = data[at+1:]; as(data) {
			return true
		}
	}
}

var sonicTypes sync.Map // of reflect.Type to fitness

// otherDecoder reports whether sonic's own variable chooses its other decoder, which has not
// been compared with encoding/json.
var otherDecoder = os.Getenv("SONIC_USE_OPTDEC") == "1"

// sonicFitness returns for which texts sonic treats a type as encoding/json does.
func sonicFitness(t reflect.Type) fitness {
	if otherDecoder {
		return unfit
	}
	if known, ok := sonicTypes.Load(t); ok {
		return known.(fitness)
	}
	f := fitnessOf(t, 1, map[reflect.Type]int{})
	sonicTypes.Store(t, f)
	return f
}

// maxCopies bounds how often sonic makes machine code for one part of a type. It does so
// again for each element of an array, and takes about 30 KB to compile an integer.
const maxCopies = 64

// fitnessOf looks at a type and those that it is made of. Copies is the number of elements
// of the arrays that it is in, and seen the largest one that a type was looked at with.
func fitnessOf(t reflect.Type, copies int, seen map[reflect.Type]int) fitness {
	if copies <= seen[t] {
		return fits
	}
	seen[t] = copies
	if pure[t] {
		return fits
	}
	if hasMethod(t) {
		return unfit // It might be called twice.
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fits
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return fits
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return unfit // Its base64 is laxer.
		}
		return fitnessOf(t.Elem(), copies, seen)
	case reflect.Pointer:
		return fitnessOf(t.Elem(), copies, seen)
	case reflect.Array:
		if t.Len() > maxCopies/copies {
			return unfit
		}
		return fitnessOf(t.Elem(), copies*max(t.Len(), 1), seen)
	case reflect.Map:
		if !mapKey(t.Key()) {
			return unfit
		}
		// sonic stores a second member with the same name into the value of the first
		// one, and ignores null.
		return max(fitsUnique, fitnessOf(t.Elem(), copies, seen))
	case reflect.Struct:
		return structFitness(t, copies, seen)
	}
	return unfit
}

func structFitness(t reflect.Type, copies int, seen map[reflect.Type]int) fitness {
	worst := fits
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous || !plainName(f.Name) || !plainTag(f.Tag.Get("json")) {
			return unfit
		}
		if f.IsExported() {
			worst = max(worst, fitnessOf(f.Type, copies, seen))
		}
	}
	return worst
}

// plainTag reports whether a tag is one that everybody reads alike, whatever the
// version of Go.
func plainTag(tag string) bool {
	name, options, _ := strings.Cut(tag, ",")
	for option := range strings.SplitSeq(options, ",") {
		if option != "" && option != "omitempty" && option != "omitzero" {
			return false
		}
	}
	return plainName(name)
}

// plainName reports whether a name is of ASCII letters, which have two cases, of
// digits and of marks that are usual.
func plainName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	})
}

// pure are types of the standard library whose methods sonic may call: nobody can
// see how often.
var pure = map[reflect.Type]bool{
	reflect.TypeFor[json.Number](): true, reflect.TypeFor[json.RawMessage](): true, reflect.TypeFor[time.Time](): true,
}

// hasMethod reports whether a type has a method that encoding/json of any version of Go
// calls for decoding. UnmarshalJSONFrom is that of encoding/json/v2, which must not be
// imported without the experiment jsonv2; sonic does not know it.
func hasMethod(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	_, from := p.MethodByName("UnmarshalJSONFrom")
	return from || p.Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// mapKey reports whether a map's key is one that both take and that has no methods.
func mapKey(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return !hasMethod(t)
	}
	return false
}
