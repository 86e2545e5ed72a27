package gqlgen_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/contrib/internal/host/hosttest"
)

// recording is an executor that keeps the parameters and answers with data.
type recording struct {
	params *graphql.RawParams
	data   string
}

func (e *recording) CreateOperationContext(_ context.Context, p *graphql.RawParams) (*graphql.OperationContext, gqlerror.List) {
	e.params = &graphql.RawParams{Query: p.Query, OperationName: p.OperationName, Variables: p.Variables, Extensions: p.Extensions}
	operation := &ast.OperationDefinition{Operation: ast.Query}
	return &graphql.OperationContext{Operation: operation, Doc: &ast.QueryDocument{Operations: ast.OperationList{operation}}}, nil
}

func (e *recording) DispatchOperation(ctx context.Context, _ *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	return graphql.OneShot(&graphql.Response{Data: json.RawMessage(e.data)}), ctx
}

func (e *recording) DispatchError(_ context.Context, list gqlerror.List) *graphql.Response {
	return &graphql.Response{Errors: list}
}

// answer is what a transport makes of a request.
type answer struct {
	status int
	header http.Header
	body   any
	panics bool
	params *graphql.RawParams
}

func ask(t testing.TB, transport graphql.Transport, r *http.Request, data string) (a answer) {
	t.Helper()
	w, e := httptest.NewRecorder(), &recording{data: data}
	func() {
		defer func() { a.panics = recover() != nil }()
		transport.Do(w, r, e)
	}()
	a.params = e.params
	if a.panics {
		return a // What was written before depends on the order of writing.
	}
	a.status, a.header = w.Code, w.Header()
	d := json.NewDecoder(w.Body)
	d.UseNumber()
	if err := d.Decode(&a.body); err != nil {
		t.Fatalf("%v: %q", err, w.Body)
	}
	if o, ok := a.body.(map[string]any); ok && o["errors"] != nil {
		first := o["errors"].([]any)[0].(map[string]any)
		// What ours leaves out: the body.
		first["message"], _, _ = strings.Cut(first["message"].(string), " body:")
	}
	return a
}

// samePOST compares what POST makes of a body with what gqlgen's makes of it.
func samePOST(t testing.TB, theirs, ours graphql.Transport, body string) {
	t.Helper()
	post := func() *http.Request { return httptest.NewRequest("POST", "/", strings.NewReader(body)) }
	a, b := ask(t, theirs, post(), "{}"), ask(t, ours, post(), "{}")
	if strings.Contains(fmt.Sprint(a.body), "RawParams.headers") {
		return // gqlgen takes "headers" for a member of a request.
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%q: gqlgen's\n%+v %+v, ours\n%+v %+v", body, a, a.params, b, b.params)
	}
}

// sameGET is samePOST for the parameters of a GET.
func sameGET(t testing.TB, theirs, ours graphql.Transport, form url.Values) {
	t.Helper()
	get := func() *http.Request { return httptest.NewRequest("GET", "/?"+form.Encode(), nil) }
	if a, b := ask(t, theirs, get(), "{}"), ask(t, ours, get(), "{}"); !reflect.DeepEqual(a, b) {
		t.Errorf("%q: gqlgen's\n%+v %+v, ours\n%+v %+v", form, a, a.params, b, b.params)
	}
}

// Parts of bodies that decoders differ in.
var bodyParts = []string{
	`"query"`, `"Query"`, `"QUERY"`, `"qu\u0065ry"`, `"operationName"`, `"operationname"`, `"variables"`, `"Variables"`, `"variable\u017f"`, `"extensions"`,
	`"id"`, `"x"`, `"__proto__"`, `""`, `:`, `:`, `:`, `,`, `,`, `{`, `}`, `[`, `]`, " ", "\n", `null`, `true`, `1`, `-0`, `1e400`, `12345678901234567890`, `1.50`,
	`"{ a }"`, `"\ud83d"`, `"\ud83d\ude00"`, "\"caf\xe9\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"", "\"\u2028\"", `"\u0000"`, "\"\x01\"", `"a\/b\n"`, `{"a":1}`, `{"a":{"b":1},"a":{"c":2}}`,
	`{"b":2,"b":null}`, `[1,{"A":1,"a":2}]`, "\xef\xbb\xbf", "x", `"`, `\`,
}

var members = []string{"query", "operationName", "variables", "extensions", "Query", "OPERATIONNAME", "Variables", "eXtensions", "id", `qu\u0065ry`, "headers"}

// randomBody returns a request, most of the time one that is nearly right.
func randomBody(r *rand.Rand) string {
	part := func() string { return bodyParts[r.IntN(len(bodyParts))] }
	var b strings.Builder
	switch r.IntN(4) {
	case 0: // anything
		for range r.IntN(12) {
			b.WriteString(part())
		}
	default:
		b.WriteString("{")
		for i := range r.IntN(6) {
			if i > 0 {
				b.WriteString(",")
			}
			name := members[r.IntN(len(members))]
			value := part()
			if r.IntN(3) > 0 {
				value = map[bool]string{true: `{"a":` + fmt.Sprint(i) + `}`, false: fmt.Sprintf("\"{ f%d }\"", i)}[strings.HasSuffix(strings.ToLower(name), "s")]
			}
			fmt.Fprintf(&b, `"%s":%s`, name, value)
		}
		b.WriteString("}")
		if r.IntN(8) == 0 {
			b.WriteString(part())
		}
	}
	s := b.String()
	if len(s) > 0 && r.IntN(10) == 0 {
		i := r.IntN(len(s))
		s = s[:i] + string([]byte{byte(r.IntN(256))}) + s[i+1:]
	}
	return s
}

// Whatever a request is, gqlgen's transports and ours make the same of it.
func TestRequestsEqualGqlgen(t *testing.T) {
	post, get := gqlgen.POST(gqlgen.Options{}), gqlgen.GET(gqlgen.Options{})
	n := 5_000
	if testing.Short() {
		n = 1_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		samePOST(t, transport.POST{}, post, randomBody(r))
		form := url.Values{}
		for _, name := range []string{"query", "operationName", "variables", "extensions", "Query"} {
			if r.IntN(3) == 0 {
				form[name] = []string{strings.Trim(bodyParts[r.IntN(len(bodyParts))], `"`)}
			}
			if r.IntN(5) == 0 {
				form.Add(name, `{"a":1} x`)
			}
		}
		sameGET(t, transport.GET{}, get, form)
		if t.Failed() {
			return
		}
	}
}

func FuzzPOST(f *testing.F) {
	for _, s := range []string{`{"query":"{ a }","variables":{"a":1}}`, `{"Query":"a","query":null}`, "null", "[]", `{"query":"a"}x`} {
		f.Add([]byte(s))
	}
	ours := gqlgen.POST(gqlgen.Options{})
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		samePOST(t, transport.POST{}, ours, string(body))
	})
}

// sameResponse compares what the transports make of a result.
func sameResponse(t testing.TB, theirs, ours graphql.Transport, data string) {
	t.Helper()
	post := func() *http.Request { return httptest.NewRequest("POST", "/", strings.NewReader(`{"query":"{ a }"}`)) }
	if a, b := ask(t, theirs, post(), data), ask(t, ours, post(), data); !reflect.DeepEqual(a, b) {
		t.Errorf("%q: gqlgen's\n%+v, ours\n%+v", data, a, b)
	}
}

var results = []string{
	"{\"a\":\"caf\xe9\"}", "{\"a\":\"\xe2\x82\"}", "{\"\xff\":[\"\xed\xa0\x80\xf4\x90\x80\x80\"]}", "{\"a\":\"\xff\\\"\"}", "\xff", "{\"a\":\xff1}", "{\"a\":1}\xff", // not UTF-8
	`{"a":"<>&"}`, "{\"a\":\"\u2028\"}", " { \"a\" : 1 } ", "null", "", "{", `{"a":1}{}`, `{"a":01}`, "{\"a\":\"\n\"}", `{"a":"\ud800"}`,
	strings.Repeat("[", 9999) + strings.Repeat("]", 9999), strings.Repeat("[", 10001) + strings.Repeat("]", 10001),
}

// Whatever a schema makes, the responses are equal.
func TestResponsesEqualGqlgen(t *testing.T) {
	for _, data := range results {
		sameResponse(t, transport.POST{}, gqlgen.POST(gqlgen.Options{}), data)
	}
}

func FuzzResponse(f *testing.F) {
	for _, data := range results {
		f.Add(data)
	}
	ours := gqlgen.POST(gqlgen.Options{})
	f.Fuzz(func(t *testing.T, data string) { sameResponse(t, transport.POST{}, ours, data) })
}

// A response that is not UTF-8 fails no others.
func TestBatchOfAnyBytes(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", strings.NewReader(`[{"query":"{ a }"},{"query":"{ b }"}]`))
	gqlgen.POST(gqlgen.Options{MaxBatch: 2}).Do(w, r, &silent{recording{data: "{\"a\":\"caf\xe9\"}"}})
	if got, want := w.Body.String(), "[{\"data\":{\"a\":\"caf\ufffd\"}},{\"data\":{\"a\":\"caf\ufffd\"}}]"; got != want || w.Code != 200 {
		t.Errorf("%d %q", w.Code, got)
	}
}

// silent is a recording that keeps nothing, so operations may run at the same time.
type silent struct{ recording }

func (e *silent) CreateOperationContext(ctx context.Context, p *graphql.RawParams) (*graphql.OperationContext, gqlerror.List) {
	return new(recording).CreateOperationContext(ctx, p)
}

// A body that breaks off, and one above the limit of a middleware.
func TestBrokenBodies(t *testing.T) {
	for name, body := range map[string]func() io.Reader{
		"broken off": func() io.Reader {
			return io.MultiReader(strings.NewReader(`{"query":`), iotest.ErrReader(io.ErrUnexpectedEOF))
		},
		"limited": func() io.Reader {
			return http.MaxBytesReader(nil, io.NopCloser(strings.NewReader(`{"query":"{ a }"}`)), 5)
		},
		"at once": func() io.Reader { return iotest.ErrReader(errors.New("gone")) },
	} {
		a := ask(t, transport.POST{}, httptest.NewRequest("POST", "/", body()), "{}")
		b := ask(t, gqlgen.POST(gqlgen.Options{}), httptest.NewRequest("POST", "/", body()), "{}")
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: gqlgen's\n%+v, ours\n%+v", name, a, b)
		}
	}
}

func TestCompressed(t *testing.T) { hosttest.Compressed(t, newServer(gqlgen.POST(gqlgen.Options{}))) }
