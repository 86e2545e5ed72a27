package simdjson

import (
	"encoding/json"
	"reflect"
)

// Unmarshal stores a JSON text in what target points to, with the results and
// the errors of [json.Unmarshal].
//
// It decodes with bytedance/sonic where that supports the platform and version
// of Go, and where it is known to do the same: into a target that is zero, of a
// type that it treats as encoding/json does. encoding/json does the rest, and
// everything again that ends in an error, so that errors and what is stored
// besides them are its own; an UnmarshalJSON method may then be called twice.
func Unmarshal(data []byte, target any) error {
	if f := targetFitness(target); f != unfit && f.valid(data) {
		if decodeWithSonic(data, target) {
			return nil
		}
		reflect.ValueOf(target).Elem().SetZero() // As it was.
	}
	return json.Unmarshal(data, target)
}

// fitness tells for which texts sonic can decode into a target.
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

var inPlaceUnique = NewParser(Options{RejectDuplicates: true})

func (f fitness) valid(data []byte) bool {
	if f == fitsUnique {
		return inPlaceUnique.valid(data)
	}
	return Valid(data)
}
