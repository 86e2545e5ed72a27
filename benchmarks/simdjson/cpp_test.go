//go:build simdjson_cpp

package simdjson

import (
	"errors"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/simdjson/cpp"
)

// BenchmarkParseCPP is BenchmarkParse for simdjson in C++, whose text is padded
// beforehand.
func BenchmarkParseCPP(b *testing.B) {
	for _, name := range append(corpora, "request-183B") {
		text := requests(b)["183B"]
		if name != "request-183B" {
			text = corpus(b, name)
		}
		bench(b, name, cpp.Padded(text), []implementation{{"simdjson-cpp", func(text []byte) error {
			if !cpp.Parse(text) {
				return errors.New("valid JSON was refused")
			}
			return nil
		}}})
	}
}
