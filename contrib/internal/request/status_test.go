package request

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/gqlboost/gqlboost/simdjson"
)

// Every kind of simdjson's errors has its status.
func TestStatus(t *testing.T) {
	decode := func(o simdjson.Options, body string) error {
		_, err := simdjson.NewParser(o).DecodeRequest([]byte(body))
		return err
	}
	_, badForm := simdjson.DecodeForm(url.Values{"variables": {"{"}})
	for _, c := range []struct {
		err  error
		want int
	}{
		{decode(simdjson.Options{}, "{"), 400},
		{decode(simdjson.Options{}, "1"), 400},
		{decode(simdjson.Options{MaxBytes: 3}, "{   }"), 413},
		{decode(simdjson.Options{MaxBatch: 1}, "[{},{}]"), 413},
		{decode(simdjson.Options{Kernel: "none"}, "{}"), 500},
		{badForm, 400},
		{ErrMediaType, 415},
		{fmt.Errorf("wrapped: %w", ErrMethod), 405},
		{errors.New("another"), 400},
	} {
		if got := Status(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}
