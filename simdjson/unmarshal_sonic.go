//go:build (amd64 || arm64) && !purego

package simdjson

import (
	"bytes"
	"encoding"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/bytedance/sonic"
)

// decodeWithSonic returns false if encoding/json must do it: what it has stored
// then does not count.
func decodeWithSonic(data []byte, target any) bool {
	return !peculiar(data) && sonic.ConfigStd.Unmarshal(data, target) == nil
}

// peculiar tells whether a text may have what sonic takes for something else than
// encoding/json does:
//   - a name that is one of ASCII if its case is ignored as Unicode does, where
//     the long s (U+017F) is an S, and the Kelvin sign (U+212A) a K;
//   - the number -0, which is not unsigned.
func peculiar(data []byte) bool {
	for _, part := range [][]byte{[]byte("\u017F"), []byte("\u212A"), []byte(`\u017`), []byte(`\u212`)} {
		if bytes.Contains(data, part) {
			return true
		}
	}
	for rest := data; ; {
		at := bytes.Index(rest, []byte("-0"))
		if at < 0 {
			return false
		}
		if rest = rest[at+2:]; len(rest) == 0 || rest[0] != '.' {
			return true
		}
	}
}

var sonicTypes sync.Map // of reflect.Type to fitness

// sonicFitness tells whether sonic treats a type as encoding/json does.
func sonicFitness(t reflect.Type) fitness {
	if known, ok := sonicTypes.Load(t); ok {
		return known.(fitness)
	}
	f := fitnessOf(t, map[reflect.Type]bool{})
	sonicTypes.Store(t, f)
	return f
}

// fitnessOf looks at a type and those that it is made of. What differs was found
// by FuzzUnmarshal.
func fitnessOf(t reflect.Type, seen map[reflect.Type]bool) fitness {
	if seen[t] {
		return fits
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return fitnessOf(t.Elem(), seen)
	case reflect.Map:
		if !mapKey(t.Key()) {
			return unfit
		}
		f := fitnessOf(t.Elem(), seen)
		switch t.Elem().Kind() {
		case reflect.Struct, reflect.Array, reflect.Slice, reflect.Map, reflect.Pointer:
			// Of a second member with the same name, sonic stores into the value
			// of the first one.
			f = max(f, fitsUnique)
		}
		return f
	case reflect.Struct:
		worst := fits
		for i := range t.NumField() {
			f := t.Field(i)
			// Names beyond ASCII have more than two cases.
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !ascii(f.Name) || !ascii(name) {
				return unfit
			}
			worst = max(worst, fitnessOf(f.Type, seen))
		}
		return worst
	}
	return fits
}

func ascii(s string) bool { return len(s) == utf8.RuneCountInString(s) && utf8.ValidString(s) }

// mapKey tells whether encoding/json takes a type as a map's key: sonic does not
// refuse the others.
func mapKey(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return true
	}
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
