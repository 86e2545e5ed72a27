package request

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// decode is the usual Options.Decode.
func decode(d *json.Decoder) (o Operation, err error) {
	err = d.Decode(&o)
	return o, err
}

// standard reads a body by encoding/json. refused is simdjson's error, if there is one.
func (r *Reader) standard(body []byte, refused error) (list []Operation, batch bool, err error) {
	d := r.decoder(bytes.NewReader(body))
	batch = r.MaxBatch > 0 && isArray(body)
	if !batch {
		o, err := r.Decode(d)
		if err != nil {
			return nil, false, undecoded("", err, refused)
		}
		return []Operation{o}, false, nil
	}
	_, err = d.Token()
	for err == nil && d.More() {
		if len(list) == r.MaxBatch {
			return nil, false, Refusal(http.StatusRequestEntityTooLarge, "A batch may have up to %d operations.", r.MaxBatch)
		}
		var o Operation
		o, err = r.Decode(d)
		list = append(list, o)
	}
	if err == nil {
		_, err = d.Token()
	}
	if err != nil {
		return nil, false, undecoded("", err, refused)
	}
	if len(list) == 0 {
		return nil, false, Refusal(http.StatusBadRequest, "The batch of operations is empty.")
	}
	return list, true, nil
}

// standardForm reads a query string by encoding/json.
func (r *Reader) standardForm(form url.Values) (o Operation, err error) {
	o = Operation{Query: form.Get("query"), OperationName: form.Get("operationName")}
	for _, each := range []struct {
		name string
		to   *map[string]any
	}{{"variables", &o.Variables}, {"extensions", &o.Extensions}} {
		if text := form.Get(each.name); text != "" {
			if err := r.decoder(strings.NewReader(text)).Decode(each.to); err != nil {
				return o, undecoded(each.name, err, nil)
			}
		}
	}
	return o, nil
}

func (r *Reader) decoder(from interface{ Read([]byte) (int, error) }) *json.Decoder {
	d := json.NewDecoder(from)
	if !r.Floats {
		d.UseNumber()
	}
	return d
}
