package simdjson

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/race"
)

type operation struct {
	Query         string
	OperationName string
	Variables     json.RawMessage
	Extensions    json.RawMessage
}

// TestDecodeRequest compares with encoding/json, whose struct decoding ignores
// unknown members and takes null as nothing.
func TestDecodeRequest(t *testing.T) {
	for _, body := range []string{
		`{"query":"{ a }"}`,
		`{"query":"query A {\n  a(s: \"\\u00e9\")\n}\tquery B { b }","operationName":"A","variables":{"id":1,"deep":{"x":[1,2]}},"extensions":{"persistedQuery":{"version":1,"sha256Hash":"abc"}}}`,
		`{"variables":null,"query":"{a}","unknown":{"query":"no"},"id":7}`,
		`{"query":null,"operationName":null}`,
		`{}`,
		`{"query":"first","query":"second"}`,
		`{"qu\u0065ry":"\u007ba}","variables":{}}`,
		`{"query":"\ud83d\ude00 \ud83d","operationName":"日本"}`,
		`[{"query":"{a}"}]`,
		`[{"query":"{\na}","variables":{"a":"\n"}},{"query":"{\nb}","operationName":"\u0042"}, {}]`,
	} {
		r, err := DecodeRequest([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		var want []operation
		batch := strings.HasPrefix(body, "[")
		if batch {
			err = json.Unmarshal([]byte(body), &want)
		} else {
			want = make([]operation, 1)
			err = json.Unmarshal([]byte(body), &want[0])
		}
		if err != nil {
			t.Fatal(err)
		}
		var got []operation
		for _, o := range r.Operations() {
			got = append(got, operation{o.Query, o.OperationName, o.Variables.Raw(), o.Extensions.Raw()})
		}
		if !reflect.DeepEqual(got, want) || r.Batch != batch {
			t.Errorf("%s:\ngot  %+v\nwant %+v", body, got, want)
		}
		r.Close()
		r.Close()
	}
	r, err := DecodeRequest([]byte(`{"extensions":{"persistedQuery":{"sha256Hash":"abc"}}}`))
	if err != nil || r.Operations()[0].PersistedQueryHash() != "abc" {
		t.Error("the hash of a persisted query:", err)
	}
	if (Operation{}).PersistedQueryHash() != "" {
		t.Error("a hash from nowhere")
	}
}

func TestBadRequests(t *testing.T) {
	p := NewParser(Options{MaxBytes: 1000, MaxBatch: 2, MaxDepth: 10})
	for body, want := range map[string]struct {
		kind    RequestErrorKind
		message string
	}{
		``:                           {NotJSON, "not valid JSON: unexpected end of JSON input"},
		`{"query":`:                  {NotJSON, "not valid JSON"},
		`{"query":"` + "\xff" + `"}`: {NotJSON, "invalid UTF-8"},
		`42`:                         {NotRequest, "must be an object or an array of objects, not a number"},
		`null`:                       {NotRequest, "not null"},
		`{"query":1}`:                {NotRequest, `"query" must be a string, not a number`},
		`{"query":{}}`:               {NotRequest, `not an object`},
		`{"operationName":true}`:     {NotRequest, `"operationName" must be a string, not a boolean`},
		`{"variables":[]}`:           {NotRequest, `"variables" must be an object, not an array`},
		`{"variables":"{}"}`:         {NotRequest, `not a string`},
		`{"extensions":1}`:           {NotRequest, `"extensions" must be an object`},
		`[]`:                         {NotRequest, "empty"},
		`[1]`:                        {NotRequest, "Operation 0 of the batch must be an object, not a number"},
		`[{},{"query":0}]`:           {NotRequest, `"query"`},
		`[{},{},{}]`:                 {BatchTooLarge, "limit of 2"},
		strings.Repeat(" ", 1001):    {BodyTooLarge, "The request body is too large: 1001 bytes, limit 1000"},
		`{"variables":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`: {NotJSON, "max depth of 10"},
	} {
		r, err := p.DecodeRequest([]byte(body))
		var bad *RequestError
		if r != nil || !errors.As(err, &bad) || bad.Kind != want.kind || !strings.Contains(bad.Message, want.message) {
			t.Errorf("%.60s: %v, want %v: %s", body, err, want.kind, want.message)
		}
	}
}

// The memory in the pool has the array that operations are taken from: those of a refused
// batch must not keep its text.
func TestRefusedBatchHoldsNothing(t *testing.T) {
	if race.Enabled || debugging {
		t.Skip("memory is not used again")
	}
	p := NewParser(Options{AliasInput: true})
	before := memoryInUse()
	for range 30 {
		body := []byte(`[{"query":"` + strings.Repeat("x", 1<<20) + `"},{"variables":1}]`)
		if _, err := p.DecodeRequest(body); err == nil {
			t.Fatal("no error")
		}
	}
	if grown := memoryInUse() - before; grown > 8<<20 {
		t.Errorf("%d bytes are held", grown)
	}
}

// Nor must the memory keep the operations of a large batch.
func TestLargeBatchIsNotKept(t *testing.T) {
	m := new(memory)
	defer runtime.KeepAlive(m)
	collected := make(chan struct{})
	runtime.AddCleanup(&m.batch(4096)[0], func(c chan struct{}) { close(c) }, collected)
	for range 100 {
		runtime.GC()
		select {
		case <-collected:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the operations of a batch that is gone are held")
}

func TestDecodeForm(t *testing.T) {
	form := url.Values{"query": {"query A($q: String) {\n a(t: \"\x01\\\") }"}, "operationName": {"A"}, "variables": {`{"q":"é"}`}}
	r, err := DecodeForm(form)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o := r.Operations()[0]
	if o.Query != form.Get("query") || o.OperationName != "A" || string(o.Variables.Raw()) != `{"q":"é"}` || o.Extensions.Kind() != Invalid {
		t.Errorf("%+v", o)
	}
	for name, text := range map[string]string{"variables": "{", "extensions": `1,"query":"forged"`, "query": "\xff"} {
		if _, err := DecodeForm(url.Values{name: {text}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, text, err)
		}
	}
	if _, err := DecodeForm(url.Values{"variables": {"[1]"}}); err == nil {
		t.Error("variables may not be an array")
	}
	for query, want := range map[string]bool{"query=a&variables={}&other=1&other=2": false, "query=a&query=b": true, "query=a&variables=&variables={}": true} {
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		r, err := DecodeForm(form)
		if err != nil || r.Operations()[0].Query != "a" || r.Operations()[0].Ambiguous != want {
			t.Errorf("%s: %v, %v", query, r, err)
		}
		r.Close()
	}
}

// A form's limit applies to the client's parameters, not to the JSON that is made of them.
func TestDecodeFormLimits(t *testing.T) {
	p := NewParser(Options{MaxBytes: 1000, MaxDepth: 12_000, RejectDuplicates: true})
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for _, c := range []struct {
		name string
		p    *Parser
		form url.Values
		want string // the error, "" is none
	}{
		{"escapes", p, url.Values{"query": {strings.Repeat("<\x01\u2028", 180)}}, ""},
		{"at the limit", p, url.Values{"query": {strings.Repeat("q", 998)}, "variables": {"{}"}, "other": {"no"}}, ""},
		{"above it", p, url.Values{"query": {strings.Repeat("q", 999)}, "variables": {"{}"}},
			"The request body is too large: 1001 bytes, limit 1000"},
		{"invalid and above it", p, url.Values{"variables": {strings.Repeat("x", 1001)}},
			"The request body is too large: 1001 bytes, limit 1000"},
		{"duplicates", p, url.Values{"variables": {`{"a":1,"a":2}`}},
			`The parameter "variables" is not valid JSON: duplicate object member name "a".`},
		{"deep", NewParser(Options{MaxDepth: 12_000}), url.Values{"variables": {deep(11_000)}}, ""},
		{"too deep", NewParser(Options{MaxDepth: 10}), url.Values{"variables": {deep(11)}},
			`The parameter "variables" is not valid JSON: exceeded max depth of 10.`},
		{"no kernel", NewParser(Options{Kernel: "portabel"}), url.Values{"variables": {"{"}},
			"The server cannot read requests: its JSON parser is misconfigured."},
	} {
		r, err := c.p.DecodeForm(c.form)
		if errorText(err) != c.want {
			t.Errorf("%s: got %.200q, want %q", c.name, errorText(err), c.want)
		}
		if err == nil && r.Operations()[0].Query != c.form.Get("query") {
			t.Errorf("%s: another query", c.name)
		}
		r.Close()
	}
}

// Strings of a request must survive each other: they share a buffer.
func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"query":"{\na}","operationName":"\u0041","variables":{"a":1}}`))
	f.Add([]byte(`[{"query":"a"},{"query":"\t"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRequest(body)
		var theirs []operation
		var one operation
		theirErr := json.Unmarshal(body, &theirs)
		if theirErr != nil {
			theirErr = json.Unmarshal(body, &one)
			theirs = []operation{one}
		}
		if err != nil {
			var bad *RequestError
			if !errors.As(err, &bad) || bad.Message == "" {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		defer r.Close()
		if theirErr != nil {
			t.Fatalf("%q is accepted, encoding/json: %v", body, theirErr)
		}
		for i, o := range r.Operations() {
			// encoding/json also takes names of another case: skip those bodies.
			if strings.Contains(strings.ToLower(string(body)), "query") && o.Query != theirs[i].Query && strings.Count(strings.ToLower(string(body)), "query") == strings.Count(string(body), "query") && !strings.Contains(string(body), "\\u") {
				t.Fatalf("%q: query %q, want %q", body, o.Query, theirs[i].Query)
			}
		}
	})
}

// TestAmbiguous expects to know what encoding/json would read in another way.
func TestAmbiguous(t *testing.T) {
	for body, want := range map[string]bool{
		`{"query":"{a}","variables":{"query":1,"a":1,"a":2},"extensions":null,"operationName":"","id":7}`: false,
		`{"Query":"{a}"}`:                           true,
		`{"variable\u017f":{}}`:                     true,
		`{"query":"a","query":null}`:                true,
		`{"qu\u0065ry":"{a}","query":"{b}"}`:        true,
		`{"variables":{"a":1},"variables":{"b":1}}`: true,
		`{"":1,"":2}`:                               false,
	} {
		r, err := DecodeRequest([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Operations()[0].Ambiguous; got != want {
			t.Errorf("%s: got %v, want %v", body, got, want)
		}
		r.Close()
	}
}
