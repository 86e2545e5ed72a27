package stream

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"unicode/utf8"
)

// wasValidUTF8 reports whether all strings that encoding/json has made text of were UTF-8.
// It replaces what is not, so only a text with a replacement, which a string may also have
// of its own, makes it necessary to look at them. Text of methods MarshalJSON is looked at
// as the rest of what Raw writes.
func wasValidUTF8(text []byte, v any) bool {
	return !bytes.Contains(text, []byte(replacement)) || validStrings(reflect.ValueOf(v))
}

// validStrings looks at what encoding/json has written without an error, which has no
// cycles.
func validStrings(v reflect.Value) bool {
	if !v.IsValid() {
		return true
	}
	if v.CanInterface() && v.Kind() != reflect.Interface && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		switch v := v.Interface().(type) {
		case json.Marshaler:
			return true // Its text is in the whole.
		case encoding.TextMarshaler:
			text, err := v.MarshalText()
			return err == nil && utf8.Valid(text)
		}
	}
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return validStrings(v.Elem())
	case reflect.Map:
		for key, value := range v.Seq2() {
			if !validStrings(key) || !validStrings(value) {
				return false
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !validStrings(v.Index(i)) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Tag.Get("json") != "-" && (f.IsExported() || f.Anonymous) && !validStrings(v.Field(i)) {
				return false
			}
		}
	}
	return true
}
