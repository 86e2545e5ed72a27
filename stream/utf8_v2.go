//go:build go1.27 && goexperiment.jsonv2

package stream

import (
	"bytes"
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
)

// wasValidUTF8 reports whether text, which encoding/json has made of v, has no replacements for
// invalid UTF-8. A string may also have such a character of its own, so v decides if there is one.
// encoding/json is v2 here, which asks types for AppendText and MarshalJSONTo as well, and can
// itself refuse what it would replace.
func wasValidUTF8(text []byte, v any) bool {
	if !bytes.Contains(text, []byte(replacement)) {
		return true
	}
	_, err := jsonv2.Marshal(v, json.DefaultOptionsV1(), jsontext.AllowInvalidUTF8(false), jsonv2.WithMarshalers(noRaw))
	return err == nil
}

// noRaw leaves JSON out that values have as it is. Its bytes are in the text, where Raw looks at them. Without
// AllowInvalidUTF8, half a surrogate pair in an escape would be refused as well.
var noRaw = jsonv2.MarshalFunc(func(jsontext.Value) ([]byte, error) { return []byte("null"), nil })
