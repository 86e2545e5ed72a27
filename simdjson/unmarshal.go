package simdjson

import (
	"encoding/json"
	"reflect"
)

// Unmarshal stores a JSON text in what target points to, with the results and the
// errors of [json.Unmarshal] of the version of Go that builds it.
//
// bytedance/sonic decodes where it is faster and proven to do the same: a text that is
// valid and has nothing that the two read differently, into a target that is zero, of a
// type on a list that a generator of types and texts checks against encoding/json.
// encoding/json does the rest, which is all on other machines than amd64, and everything
// again that ends in an error, so that errors and what is stored beside them are its
// own. On the list are bool, string, float64, integers, any, json.Number,
// json.RawMessage and time.Time, and pointers, slices, arrays, maps by strings or
// integers, and structs of them. Not on it are float32, []byte, arrays of more than 64
// elements (those of arrays in arrays are multiplied), embedded fields, the option string
// in a tag, names with other than letters of ASCII, digits, and the marks . - _, and types
// with their own methods for decoding, which are called once as usual. With
// SONIC_USE_OPTDEC=1 in the environment, sonic decodes nothing: that chooses a decoder
// which was not compared.
//
// The build tag gqlboost_nosonic leaves sonic out. With sonic in it, a program panics at its
// start where memory must not become executable: see the README.
func Unmarshal(data []byte, target any) error {
	if unmarshaledFast(data, target) {
		return nil
	}
	return json.Unmarshal(data, target)
}

// unmarshaledFast returns false if encoding/json must do it. The target is then as
// it was, except the sign of a float64 that was -0.
func unmarshaledFast(data []byte, target any) bool {
	f := targetFitness(target)
	if f == unfit || !f.valid(data) {
		return false
	}
	if decodeWithSonic(data, target) {
		return true
	}
	reflect.ValueOf(target).Elem().SetZero()
	return false
}

// fitness says which texts sonic can decode into a target.
type fitness uint8

const (
	fits       fitness = iota // all valid ones
	fitsUnique                // those without two members of one name
	unfit
)

func targetFitness(target any) fitness {
	pointer := reflect.ValueOf(target)
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() || !pointer.Elem().IsZero() {
		return unfit
	}
	return sonicFitness(pointer.Type().Elem())
}

var aliasingUnique = NewParser(Options{AliasInput: true, RejectDuplicates: true})

func (f fitness) valid(data []byte) bool {
	if f == fitsUnique {
		return aliasingUnique.valid(data)
	}
	return Valid(data)
}
