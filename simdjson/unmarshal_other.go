//go:build !amd64 || purego || gqlboost_nosonic

package simdjson

import "reflect"

func decodeWithSonic([]byte, any) bool { return false }

func sonicFitness(reflect.Type) fitness { return unfit }
