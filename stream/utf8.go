//go:build !go1.27 || !goexperiment.jsonv2

package stream

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"unicode/utf8"
	"unsafe"
)

// wasValidUTF8 reports whether text, which encoding/json has made of v, has no replacements for
// invalid UTF-8. A string may also have such a character of its own, so the strings of v decide
// if there is one. Text of methods MarshalJSON is looked at as the rest of what Raw writes.
func wasValidUTF8(text []byte, v any) bool {
	return !bytes.Contains(text, []byte(replacement)) || visits{}.valid(reflect.ValueOf(v))
}

// visits are the pointers, maps and slices that were looked at. What encoding/json has written
// has no cycles, but fields that it has left out may have some, such as those that other fields
// hide.
type visits map[visit]bool

type visit struct {
	at     unsafe.Pointer
	length int // of a slice: a shorter one may begin at the same place
	typ    reflect.Type
}

// again reports whether v was looked at before.
func (seen visits) again(v reflect.Value, length int) bool {
	this := visit{v.UnsafePointer(), length, v.Type()}
	before := seen[this]
	seen[this] = true
	return before
}

// valid reports whether all strings of v are UTF-8, also those in fields that encoding/json
// has left out.
func (seen visits) valid(v reflect.Value) bool {
	if !v.IsValid() {
		return true
	}
	if valid, ok := validText(v); ok {
		return valid
	}
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Interface:
		return seen.valid(v.Elem())
	case reflect.Pointer:
		return seen.again(v, 0) || seen.valid(v.Elem())
	case reflect.Slice:
		return seen.again(v, v.Len()) || seen.validElements(v)
	case reflect.Array:
		return seen.validElements(v)
	case reflect.Map:
		if seen.again(v, 0) {
			return true
		}
		for key, value := range v.Seq2() {
			if !validKey(key) || !seen.valid(value) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Tag.Get("json") != "-" && (f.IsExported() || f.Anonymous) && !seen.valid(v.Field(i)) {
				return false
			}
		}
	}
	return true
}

func (seen visits) validElements(v reflect.Value) bool {
	for i := range v.Len() {
		if !seen.valid(v.Index(i)) {
			return false
		}
	}
	return true
}

// validText reports whether v has a method for its text, and whether that is UTF-8. As in
// encoding/json, a method of the pointer counts where v has an address.
func validText(v reflect.Value) (valid, ok bool) {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil() || v.Kind() == reflect.Interface:
		return false, false
	case v.Kind() != reflect.Pointer && v.CanAddr():
		v = v.Addr()
	}
	if !v.CanInterface() {
		return false, false
	}
	switch m := v.Interface().(type) {
	case json.Marshaler:
		return true, true // Its text is in the whole.
	case encoding.TextMarshaler:
		return validMarshaled(m), true
	}
	return false, false
}

// validKey reports whether the name is UTF-8 that encoding/json makes of a map's key: a string
// is the name itself, whatever methods it has.
func validKey(key reflect.Value) bool {
	switch {
	case key.Kind() == reflect.String:
		return utf8.ValidString(key.String())
	case key.Kind() == reflect.Pointer && key.IsNil() || !key.CanInterface():
		return true
	}
	m, ok := key.Interface().(encoding.TextMarshaler)
	return !ok || validMarshaled(m)
}

func validMarshaled(m encoding.TextMarshaler) bool {
	text, err := m.MarshalText()
	return err == nil && utf8.Valid(text)
}
