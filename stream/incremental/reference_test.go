package incremental

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/internal/npm"
	"github.com/gqlboost/gqlboost/stream"
)

// TestReference compares payloads with those of graphql-js 17: the members that they have,
// and what each part tells in all. Which parts share a payload is a matter of time.
func TestReference(t *testing.T) {
	npm.Install(t, clientsDir)
	var reference struct {
		Current []map[string]any `json:"current"`
		Of2022  []map[string]any `json:"of2022"`
	}
	node(t, &reference, "reference.mjs")
	for accept, want := range map[string][]map[string]any{
		"multipart/mixed;incrementalSpec=v0.2": reference.Current,
		"multipart/mixed;deferSpec=20220824":   reference.Of2022,
	} {
		s, errs := serve(t, Options{}, referenceOperation)
		var got []map[string]any
		if err := payloads(t, get(t, s, accept), func(p map[string]any) { got = append(got, p) }); err != nil {
			t.Error(err)
		}
		if err := <-errs; err != nil {
			t.Error(err)
		}
		if a, b := toldOf(t, got), toldOf(t, want); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: told\n%s\ngraphql-js\n%s", accept, indented(a), indented(b))
		}
		if a, b := members(got), members(want); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: members\n%q\ngraphql-js\n%q", accept, a, b)
		}
	}
}

// referenceOperation is the operation of reference.mjs.
func referenceOperation(d *Delivery) error {
	failure := func(message string, path ...any) *stream.Error {
		return &stream.Error{Message: message, Path: path, Locations: []stream.Location{{Line: 1, Column: 1}}}
	}
	author, broken, half := d.Defer(Path{"post"}, "author"), d.Defer(Path{"post"}, "broken"), d.Defer(Path{"post"}, "")
	tags, comments := d.Stream(Path{"post", "tags"}, "tags", 0), d.Stream(Path{"post", "comments"}, "", 1)
	address := author.Defer(Path{"post", "author"}, "address")
	item := func(p *Part, text string) error {
		return p.Items(1, func(w *stream.Writer) error { w.String(text); return nil })
	}
	return errors.Join(
		d.Initial(func(w *stream.Writer) error {
			w.Name("data")
			w.Raw([]byte(`{"post":{"id":"1","comments":["a"],"tags":[]}}`))
			return nil
		}),
		item(tags, "x"),
		author.Complete(raw(`{"author":{"name":"Ada"}}`)),
		broken.Fail(failure("no broken", "post", "broken")),
		half.Complete(func(w *stream.Writer) error {
			w.Raw([]byte(`{"half":{"good":"g","bad":null}}`))
			w.Report(failure("no bad", "post", "half", "bad"), nil)
			return nil
		}),
		item(comments, "b"),
		tags.Fail(failure("no more tags", "post", "tags")),
		address.Complete(raw(`{"address":{"zip":"1"}}`)),
		item(comments, "c"),
		comments.End(),
	)
}

// toldOf collects what payloads contain about each part, by its path and label.
func toldOf(t *testing.T, payloads []map[string]any) map[string][]any {
	told := map[string][]any{"data": {payloads[0]["data"]}}
	names := map[any]string{} // by id
	list := func(v any) []any { l, _ := v.([]any); return l }
	name := func(e map[string]any) string {
		path := list(e["path"])
		if n := len(path) - 1; n >= 0 && e["items"] != nil {
			if _, ok := path[n].(float64); ok {
				path = path[:n]
			}
		}
		return fmt.Sprint(path, " ", e["label"])
	}
	for i, p := range payloads {
		if p["hasNext"] != (i < len(payloads)-1) {
			t.Errorf("payload %d of %d has hasNext %v", i, len(payloads), p["hasNext"])
		}
		for _, v := range list(p["pending"]) {
			e := v.(map[string]any)
			names[e["id"]] = name(e)
			told[name(e)] = append(told[name(e)], "pending")
		}
		for _, v := range list(p["incremental"]) {
			e := v.(map[string]any)
			if e["path"] != nil && e["errors"] != nil && e["items"] == nil && e["data"] == nil {
				continue // Clients disagree about the path of a list that has failed: see README.
			}
			key, ok := names[e["id"]]
			if !ok {
				key = name(e)
			}
			told[key] = append(told[key], list(e["items"])...)
			told[key] = append(told[key], e["data"], messages(e["errors"]))
		}
		for _, v := range list(p["completed"]) {
			e := v.(map[string]any)
			told[names[e["id"]]] = append(told[names[e["id"]]], "completed", messages(e["errors"]))
		}
	}
	return told
}

// messages has message and path of errors.
func messages(errs any) string {
	var b strings.Builder
	l, _ := errs.([]any)
	for _, e := range l {
		m := e.(map[string]any)
		fmt.Fprint(&b, m["message"], m["path"], ";")
	}
	return b.String()
}

// members are the places of all members, such as "incremental[].errors[].path[]".
func members(payloads []map[string]any) []string {
	found := map[string]bool{}
	var walk func(place string, v any)
	walk = func(place string, v any) {
		found[place] = true
		switch v := v.(type) {
		case map[string]any:
			for name, each := range v {
				walk(place+"."+name, each)
			}
		case []any:
			for _, each := range v {
				walk(place+"[]", each)
			}
		}
	}
	for _, p := range payloads {
		walk("", p)
	}
	return slices.Sorted(maps.Keys(found))
}

func indented(v any) string {
	b, _ := json.MarshalIndent(v, "", " ")
	return string(b)
}
