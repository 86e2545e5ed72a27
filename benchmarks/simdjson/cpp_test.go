//go:build simdjson_cpp

package simdjson

import (
	"errors"

	"github.com/gqlboost/gqlboost/benchmarks/simdjson/cpp"
)

// inCPP is simdjson in C++, for a text that is padded beforehand.
func inCPP(data []byte) []implementation {
	data = cpp.Padded(data)
	return []implementation{{"simdjson-cpp", func([]byte) error {
		if !cpp.Parse(data) {
			return errors.New("valid JSON was refused")
		}
		return nil
	}}}
}
