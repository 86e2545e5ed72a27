//go:build go1.27 && goexperiment.jsonv2

package simdjson

import (
	"encoding/json/jsontext"
	"fmt"
	"reflect"
	"testing"
)

// from and fromCount have the method that only encoding/json/v2 calls, which is also
// what json.Unmarshal is with the experiment jsonv2.
type (
	from struct {
		N    int
		Text string
	}
	fromCount int
	fromBoth  struct{ Text string }
)

func (f *from) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	text, err := d.ReadValue()
	f.N, f.Text = f.N-1, string(text)
	return err
}

func (c *fromCount) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if *c++; d.PeekKind() == '"' {
		return fmt.Errorf("fromCount: no strings")
	}
	return d.SkipValue()
}

func (b *fromBoth) UnmarshalJSON([]byte) error { b.Text = "json"; return nil }

func (b *fromBoth) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	b.Text = "from"
	return d.SkipValue()
}

// The generators of types and texts make them as well.
func init() {
	types := []reflect.Type{
		reflect.TypeFor[from](), reflect.TypeFor[fromCount](), reflect.TypeFor[fromBoth](),
		reflect.TypeFor[map[string]from](), reflect.TypeFor[struct {
			F from
			P *fromCount
			B []fromBoth
		}](),
	}
	targets, rareTypes = append(targets, types...), append(rareTypes, types...)
}

func TestUnmarshalerFrom(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[struct{ F from }](), reflect.TypeFor[struct{ F *fromCount }](),
		reflect.TypeFor[struct{ F fromBoth }](), reflect.TypeFor[map[string]from](),
	} {
		for _, text := range []string{`{"F":{"N":70}}`, `{"F":1}`, `{"F":"x"}`, `{"F":null}`} {
			comparePair(t, typ, []byte(text))
		}
	}
}
