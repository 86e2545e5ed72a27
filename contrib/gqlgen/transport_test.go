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
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.uber.org/goleak"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/plancache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var schema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	scalar JSON
	type Query {
		echo(s: String, j: JSON): String
		fail: String
		panics: String
		invalid: String
		empty: String
		parts: String
		arena: String
		extension: String
	}
	type Mutation { echo(s: String): String }
`})

// executable answers by what it was asked, as generated code would.
func executable() graphql.ExecutableSchema {
	return &graphql.ExecutableSchemaMock{
		SchemaFunc:     func() *ast.Schema { return schema },
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) { return 1, true },
		ExecFunc: func(ctx context.Context) graphql.ResponseHandler {
			o := graphql.GetOperationContext(ctx)
			field := o.Operation.SelectionSet[0].(*ast.Field)
			switch field.Name {
			case "parts":
				return parts()
			case "invalid":
				return graphql.OneShot(&graphql.Response{Data: []byte(`{"invalid":}`)})
			case "empty":
				return graphql.OneShot(&graphql.Response{})
			}
			ran := false
			return func(ctx context.Context) *graphql.Response {
				if ran {
					return nil
				}
				ran = true
				return resolve(ctx, o, field)
			}
		},
	}
}

func resolve(ctx context.Context, o *graphql.OperationContext, field *ast.Field) *graphql.Response {
	switch field.Name {
	case "panics":
		panic("on purpose")
	case "fail":
		graphql.AddError(ctx, gqlerror.ErrorPathf(ast.Path{ast.PathName("fail"), ast.PathIndex(1)}, "it failed <&>"))
		return &graphql.Response{Data: []byte(`{"fail":null}`)}
	case "extension":
		graphql.RegisterExtension(ctx, "bad", make(chan int))
		return &graphql.Response{Data: []byte(`{"extension":null}`)}
	case "arena":
		text := gqlgen.Arena(ctx).String([]byte(`{"arena":"from it"}`))
		return &graphql.Response{Data: []byte(text)}
	}
	said, _ := json.Marshal(map[string]any{"variables": o.Variables, "arguments": fmt.Sprintf("%#v", field.ArgumentMap(o.Variables)), "name": o.OperationName, "extensions": o.Extensions})
	graphql.RegisterExtension(ctx, "said", json.RawMessage(said))
	data, _ := json.Marshal(map[string]any{field.Alias: string(said) + " <&>"})
	return &graphql.Response{Data: data}
}

// parts is what generated code does for @defer.
func parts() graphql.ResponseHandler {
	yes, no := true, false
	list := []*graphql.Response{
		{Data: []byte(`{"parts":"first"}`), HasNext: &yes},
		{Data: []byte(`{"b":1}`), Path: ast.Path{ast.PathName("a"), ast.PathIndex(0)}, Label: "one", HasNext: &yes},
		{Data: []byte(`{"c":null}`), Path: ast.Path{ast.PathName("a"), ast.PathIndex(1)}, HasNext: &no,
			Errors: gqlerror.List{{Message: "no c", Path: ast.Path{ast.PathName("a"), ast.PathIndex(1), ast.PathName("c")}}}},
	}
	return func(context.Context) *graphql.Response {
		if len(list) == 0 {
			return nil
		}
		next := list[0]
		list = list[1:]
		return next
	}
}

func newServer(transports ...graphql.Transport) *handler.Server {
	s := handler.New(executable())
	for _, t := range transports {
		s.AddTransport(t)
	}
	s.Use(extension.Introspection{})
	s.SetRecoverFunc(func(context.Context, any) error { return gqlerror.Errorf("recovered") })
	return s
}

type request struct {
	method, target, contentType, accept, body string
}

func (r request) send(h http.Handler) *http.Response {
	req := httptest.NewRequest(r.method, r.target, strings.NewReader(r.body))
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Result()
}

func post(body string) request {
	return request{method: "POST", target: "/", contentType: "application/json", body: body}
}

func get(parameters ...string) request {
	v := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		v.Set(parameters[i], parameters[i+1])
	}
	return request{method: "GET", target: "/?" + v.Encode()}
}

// Requests that both transports are to answer in the same way.
func requests() map[string]request {
	accepting := func(r request, accept string) request { r.accept = accept; return r }
	typed := func(r request, contentType string) request { r.contentType = contentType; return r }
	all := map[string]request{
		"variables": post(`{"query":"query Q($s: String, $j: JSON) { e: echo(s: $s, j: $j) }","operationName":"Q","variables":
			{"s":"\u00e9\ud83d\ude00 \"\\","j":{"i":1,"big":123456789012345678901234567890,"f":1.50,"e":1e3,"t":true,"n":null,"a":[1,"x",[],{}],"":"\u0000"}},
			"extensions":{"a":{"b":[1]}}}`),
		"null variables":       post(`{"query":"{ echo }","variables":null,"operationName":null,"extensions":null}`),
		"unknown member":       post(`{"query":"{ echo }","more":[1,2]}`),
		"member twice":         post(`{"query":"{ fail }","query":"{ echo }"}`),
		"null body":            post(" null "),
		"empty object":         post(`{}`),
		"syntax error":         post(`{"query":"!"}`),
		"unknown field":        post(`{"query":"{ nothing }"}`),
		"missing operation":    post(`{"query":"query A { echo } query B { echo }","operationName":"C"}`),
		"bad variable":         post(`{"query":"query($s: String) { echo(s: $s) }","variables":{"s":1}}`),
		"failed field":         post(`{"query":"{ fail }"}`),
		"no data":              post(`{"query":"{ empty }"}`),
		"panic":                post(`{"query":"{ panics }"}`),
		"response is no JSON":  post(`{"query":"{ invalid }"}`),
		"extension is no JSON": post(`{"query":"{ extension }"}`),
		"mutation":             post(`{"query":"mutation { echo(s: \"a\") }"}`),
		"introspection":        post(`{"query":"{ __typename }"}`),
		"charset":              typed(post(`{"query":"{ echo }"}`), "application/json; charset=utf-8"),
		"other type":           typed(post(`{"query":"{ echo }"}`), "text/plain"),
		"type with a prefix":   typed(post(`{"query":"{ echo }"}`), "application/jsonp"),
		"no type":              typed(post(`{"query":"{ echo }"}`), ""),
		"get":                  get("query", "query Q($s: String) { echo(s: $s) }", "operationName", "Q", "variables", `{"s":"x"}`, "extensions", `{"a":1}`),
		"get null variables":   get("query", "{ echo }", "variables", "null"),
		"get bad variables":    get("query", "{ echo }", "variables", "notjson"),
		"get list variables":   get("query", "{ echo }", "variables", "[]"),
		"get bad extensions":   get("query", "{ echo }", "extensions", "notjson"),
		"get syntax error":     get("query", "!"),
		"get unknown field":    get("query", "{ nothing }"),
		"get mutation":         get("query", "mutation { echo }"),
		"get nothing":          get(),
		"get bad query":        {method: "GET", target: "/?query=%2"},
		"put":                  {method: "PUT", target: "/", contentType: "application/json", body: `{"query":"{ echo }"}`},
	}
	for _, name := range []string{"variables", "syntax error", "unknown field", "failed field", "get", "get syntax error"} {
		for _, accept := range []string{"application/json", "application/graphql-response+json", "application/graphql-response+json;q=0.9, application/json", "*/*", "application/*", "text/html", "text/html, */*;q=0.1", ";bad, application/json", "application/json;q=0, application/graphql-response+json", "*, application/json", ","} {
			all[name+" accepting "+accept] = accepting(all[name], accept)
		}
	}
	return all
}

func TestEqualsGqlgen(t *testing.T) {
	headers := map[string][]string{"X-More": {"a", "b"}}
	typed := map[string][]string{"Content-Type": {"application/x-own"}}
	for name, servers := range map[string][2]*handler.Server{
		"default": {newServer(transport.GET{}, transport.POST{}), newServer(gqlgen.GET(gqlgen.Options{}), gqlgen.POST(gqlgen.Options{}))},
		"headers": {newServer(transport.GET{ResponseHeaders: headers}, transport.POST{ResponseHeaders: headers}),
			newServer(gqlgen.GET(gqlgen.Options{ResponseHeaders: headers}), gqlgen.POST(gqlgen.Options{ResponseHeaders: headers}))},
		"own type": {newServer(transport.GET{ResponseHeaders: typed}, transport.POST{ResponseHeaders: typed}),
			newServer(gqlgen.GET(gqlgen.Options{ResponseHeaders: typed}), gqlgen.POST(gqlgen.Options{ResponseHeaders: typed}))},
		"standard": {newServer(transport.GET{}, transport.POST{}),
			newServer(gqlgen.GET(gqlgen.Options{StandardRequests: true, StandardResponses: true}), gqlgen.POST(gqlgen.Options{StandardRequests: true, StandardResponses: true}))},
		"graphql-response": {newServer(transport.GET{UseGrapQLResponseJsonByDefault: true}, transport.POST{UseGrapQLResponseJsonByDefault: true}),
			newServer(gqlgen.GET(gqlgen.Options{GraphQLResponse: true}), gqlgen.POST(gqlgen.Options{GraphQLResponse: true}))},
	} {
		for what, r := range requests() {
			theirs, ours := r.send(servers[0]), r.send(servers[1])
			if ours.StatusCode != theirs.StatusCode {
				t.Errorf("%s: %s: status %d, theirs %d", name, what, ours.StatusCode, theirs.StatusCode)
			}
			for _, h := range []string{"Content-Type", "X-More", "Allow"} {
				if !reflect.DeepEqual(ours.Header.Values(h), theirs.Header.Values(h)) {
					t.Errorf("%s: %s: %s is %q, theirs %q", name, what, h, ours.Header.Values(h), theirs.Header.Values(h))
				}
			}
			if a, b := decoded(t, ours), decoded(t, theirs); !reflect.DeepEqual(a, b) {
				t.Errorf("%s: %s: answered\n%v, theirs\n%v", name, what, a, b)
			}
		}
	}
}

// Whatever Accept is, the type and the status are gqlgen's.
func TestAcceptEqualsGqlgen(t *testing.T) {
	elements := []string{
		"application/json", "application/graphql-response+json", "application/graphql-response+json; charset=utf-8", "application/*", "*/*", "*",
		"APPLICATION/JSON", "text/html", "multipart/mixed;boundary=\"a,b\"", "application/json;q", ";", "", " ", "application/json;a=1;a=2",
	}
	qualities := []string{"", ";q=0", ";q=0.5", "; q=1", ";q=x"}
	random := rand.New(rand.NewPCG(1, 2))
	theirs, ours := newServer(transport.POST{}), newServer(gqlgen.POST(gqlgen.Options{}))
	for range 2000 {
		list := make([]string, 1+random.IntN(4))
		for i := range list {
			list[i] = elements[random.IntN(len(elements))] + qualities[random.IntN(len(qualities))]
		}
		r := request{method: "POST", target: "/", contentType: "application/json", accept: strings.Join(list, ","), body: `{"query":"{ nothing }"}`}
		a, b := r.send(theirs), r.send(ours)
		if x, y := a.Header.Get("Content-Type"), b.Header.Get("Content-Type"); x != y || a.StatusCode != b.StatusCode {
			t.Errorf("%q: got %s %d, gqlgen's %s %d", r.accept, y, b.StatusCode, x, a.StatusCode)
		}
	}
}

func decoded(t *testing.T, r *http.Response) (v any) {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Header.Get("Content-Length"); n != "" && n != fmt.Sprint(len(b)) {
		t.Errorf("Content-Length is %s of %d bytes", n, len(b))
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Errorf("%v: %q", err, b)
	}
	return v
}

// What is no request is refused, and not repeated.
func TestRefusals(t *testing.T) {
	o := gqlgen.Options{MaxBytes: 1000}
	strict := gqlgen.Options{Strict: true, MaxBatch: 2}
	lax := newServer(gqlgen.GET(o), gqlgen.POST(o))
	severe := newServer(gqlgen.POST(strict), gqlgen.GET(strict))
	text := post(`{"query":"{ echo }"}`)
	text.contentType = "text/plain"
	for name, c := range map[string]struct {
		server  http.Handler
		request request
		status  int
		message string
	}{
		"no JSON":         {lax, post(`{"query":"secret`), 400, "could not be decoded"},
		"empty":           {lax, post(``), 400, "could not be decoded"},
		"text":            {lax, post(`"x"`), 400, "string into Go value of type graphql.RawParams"},
		"bad member":      {lax, post(`{"query":1}`), 400, "RawParams.query of type string"},
		"deep":            {severe, post(`{"a":` + strings.Repeat("[", 20_000)), 400, "could not be decoded"},
		"large":           {lax, post(`{"query":"` + strings.Repeat("x", 1000) + `"}`), 413, "larger than 1000 bytes"},
		"no batches":      {lax, post(`[{"query":"{ echo }"}]`), 400, "array into Go value of type graphql.RawParams"},
		"large batch":     {severe, post(`[{"query":"a"},{"query":"b"},{"query":"c"}]`), 413, "limit of 2"},
		"empty batch":     {severe, post(`[]`), 400, "empty"},
		"strict type":     {severe, text, 415, "application/json"},
		"strict method":   {severe, request{method: "DELETE", target: "/"}, 405, "GET or POST"},
		"strict mutation": {severe, get("query", "mutation { echo }"), 405, "only allow query"},
	} {
		r := c.request.send(c.server)
		b, _ := io.ReadAll(r.Body)
		if r.StatusCode != c.status || !strings.Contains(string(b), strings.Trim(fmt.Sprintf("%q", c.message), `"`)) || strings.Contains(string(b), "secret") {
			t.Errorf("%s: %d %s, want %d with %q", name, r.StatusCode, b, c.status, c.message)
		}
		if c.status == 405 && r.Header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", name)
		}
	}
}

func TestBatch(t *testing.T) {
	s := newServer(gqlgen.POST(gqlgen.Options{MaxBatch: 10}))
	r := post(`[{"query":"{ a: echo(s: \"1\") }"},{"query":"{ nothing }"},{"query":"{ fail }"}]`).send(s)
	b, _ := io.ReadAll(r.Body)
	var list []struct {
		Data   map[string]any
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(b, &list); err != nil || r.StatusCode != 200 || len(list) != 3 {
		t.Fatalf("%d %s, %v", r.StatusCode, b, err)
	}
	if list[0].Data["a"] == nil || len(list[1].Errors) != 1 || list[2].Errors[0].Message != "it failed <&>" {
		t.Errorf("%s", b)
	}
	if r := post(`[{"query":"{ echo }"},{"query":"{ panics }"}]`).send(s); r.StatusCode != 500 {
		t.Errorf("a panic in a batch: %d", r.StatusCode)
	}
	if r := post(`[{"query":"{ echo }"},{"query":"{ invalid }"}]`).send(s); r.StatusCode != 500 {
		t.Errorf("a response that is no JSON in a batch: %d", r.StatusCode)
	}
}

// Deferred fragments arrive in the format that was asked for; other clients get the first
// result.
// exchange posts to a server. The error is that of the connection, also behind a part of the response.
func exchange(t *testing.T, s *httptest.Server, accept, body string) (status int, text string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	res, err := s.Client().Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func TestIncremental(t *testing.T) {
	s := httptest.NewServer(newServer(gqlgen.Incremental(gqlgen.Options{}), gqlgen.POST(gqlgen.Options{})))
	defer s.Close()
	for accept, want := range map[string][]string{
		"multipart/mixed;deferSpec=20220824, application/json": {`{"data":{"parts":"first"},"hasNext":true}`, `{"b":1}`, `"label":"one"`, `"path":["a",0]`, `{"c":null}`, `"no c"`, `"hasNext":false`},
		"multipart/mixed;incrementalSpec=v0.2":                 {`"data":{"parts":"first"}`, `"pending"`, `"path":["a",0]`, `{"b":1}`, `{"c":null}`, `"no c"`, `"completed"`, `"hasNext":false`},
		"text/event-stream":                                    {"event: next", `"data":{"parts":"first"}`, `{"b":1}`, `"no c"`, "event: complete"},
		"application/x-ndjson":                                 {`"data":{"parts":"first"}`, `{"b":1}`, `"no c"`, `"hasNext":false`},
		"application/json":                                     {`"data":{"parts":"first"}`},
	} {
		_, text, err := exchange(t, s, accept, `{"query":"{ parts }"}`)
		if err != nil {
			t.Error(accept, err)
		}
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %s in\n%s", accept, part, text)
			}
		}
	}
	// What cannot be JSON, and a resolver that panics, end the response.
	for _, query := range []string{"{ extension }", "{ panics }"} {
		_, _, err := exchange(t, s, "multipart/mixed", `{"query":"`+query+`"}`)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: the response does not end", query)
		}
		s.Client().CloseIdleConnections() // The server has ended this one.
	}
	for body, status := range map[string]int{`{"query":"{ nothing }"}`: 422, `{`: 400, `{"query":"{ echo }"}`: 200} {
		if got, text, err := exchange(t, s, "multipart/mixed", body); err != nil || got != status {
			t.Errorf("%s: %d %s, %v", body, got, text, err)
		}
	}
}

// Memory that deferred fields still have when the response is complete is not another request's.
func TestArenasOfDeferredFields(t *testing.T) {
	var used *arena.Arena
	s := executable().(*graphql.ExecutableSchemaMock)
	s.ExecFunc = func(ctx context.Context) graphql.ResponseHandler {
		more := true
		used = gqlgen.Arena(ctx)
		_ = used.String([]byte("text"))
		return graphql.OneShot(&graphql.Response{Data: []byte(`{}`), HasNext: &more})
	}
	srv := handler.New(s)
	srv.AddTransport(gqlgen.POST(gqlgen.Options{}))
	for query, freed := range map[string]bool{
		"{ echo }": true, "{ ... @defer { echo } }": false, "{ ... @ defer { echo } }": false,
	} {
		if r := post(`{"query":"` + query + `"}`).send(gqlgen.WithArenas(srv)); r.StatusCode != 200 {
			t.Fatal(r.Status)
		}
		if got := used.Stats().Taken == 0; got != freed {
			t.Errorf("%s: freed %v", query, got)
		}
	}
}

// Clients do not take a result for complete whose deferred fragments have not all come.
func TestUnfinishedParts(t *testing.T) {
	type stopKey struct{} // Each request has its own: no race detector sees the order of a connection's end and the next.
	yes, block := true, make(chan struct{})
	for name, next := range map[string]func(stop func()) *graphql.Response{
		"the operation's time is over": func(stop func()) *graphql.Response { stop(); return nil },
		"a panic":                      func(func()) *graphql.Response { panic("on purpose") },
		"no JSON": func(func()) *graphql.Response {
			return &graphql.Response{Data: []byte(`{"b":}`), HasNext: &yes}
		},
		"gqlgen waits for ever": func(stop func()) *graphql.Response { stop(); <-block; return nil },
	} {
		es := executable().(*graphql.ExecutableSchemaMock)
		es.ExecFunc = func(ctx context.Context) graphql.ResponseHandler {
			begun := false
			return func(context.Context) *graphql.Response {
				if begun {
					return next(ctx.Value(stopKey{}).(context.CancelFunc))
				}
				begun = true
				return &graphql.Response{Data: []byte(`{"echo":null}`), HasNext: &yes}
			}
		}
		srv := handler.New(es)
		srv.AddTransport(gqlgen.Incremental(gqlgen.Options{}))
		srv.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
			ctx, stop := context.WithCancel(ctx)
			return next(context.WithValue(ctx, stopKey{}, stop))
		})
		s := httptest.NewServer(srv)
		for _, accept := range []string{"multipart/mixed;deferSpec=20220824", "text/event-stream", "application/jsonl"} {
			status, text, err := exchange(t, s, accept, `{"query":"{ ... @defer { echo } }"}`)
			if status == 0 || err == nil || errors.Is(err, context.DeadlineExceeded) || strings.Contains(text, `"hasNext":false`) {
				t.Errorf("%s, %s: status %d, error %v behind\n%s", name, accept, status, err, text)
			}
		}
		s.Close()
	}
	close(block)
}

// A deferred fragment that has become null takes nothing of what the client has.
func TestPartIsNull(t *testing.T) {
	yes, no := true, false
	list := []*graphql.Response{
		{Data: []byte(`{"parts":"first"}`), HasNext: &yes},
		{Data: []byte("null"), HasNext: &no, Errors: gqlerror.List{{Message: "one"}, {Message: "two"}}},
	}
	es := executable().(*graphql.ExecutableSchemaMock)
	es.ExecFunc = func(context.Context) graphql.ResponseHandler {
		i := 0
		return func(context.Context) *graphql.Response { i++; return list[i-1] }
	}
	srv := handler.New(es)
	srv.AddTransport(gqlgen.Incremental(gqlgen.Options{}))
	s := httptest.NewServer(srv)
	defer s.Close()
	for accept, want := range map[string]string{
		"multipart/mixed;incrementalSpec=v0.2": `"completed":[{"id":"0","errors":[{"message":"one"},{"message":"two"}]}]`,
		"multipart/mixed;deferSpec=20220824":   `"incremental":[{"path":[],"data":null,"errors":[{"message":"one"},{"message":"two"}]}]`,
	} {
		if _, text, err := exchange(t, s, accept, `{"query":"{ parts }"}`); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %v, no %s in\n%s", accept, err, want, text)
		}
	}
}

// A subscription is refused, and does not end behind its first event.
func TestNoSubscriptions(t *testing.T) {
	s := gqlparser.MustLoadSchema(&ast.Source{Input: "type Query { a: Int } type Subscription { n: Int }"})
	srv := handler.New(&graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return s },
		ExecFunc: func(context.Context) graphql.ResponseHandler {
			return func(context.Context) *graphql.Response { return &graphql.Response{Data: []byte(`{"n":1}`)} }
		},
	})
	srv.AddTransport(gqlgen.Incremental(gqlgen.Options{}))
	server := httptest.NewServer(srv)
	defer server.Close()
	status, text, err := exchange(t, server, "text/event-stream", `{"query":"subscription { n }"}`)
	if err != nil || status != http.StatusNotAcceptable || strings.Contains(text, "complete") {
		t.Errorf("%d %s, %v", status, text, err)
	}
}

// Each part has the extensions that gqlgen gives it.
func TestPartsHaveExtensions(t *testing.T) {
	srv := newServer(gqlgen.Incremental(gqlgen.Options{}))
	n := 0
	srv.AroundResponses(func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
		graphql.RegisterExtension(ctx, "n", n)
		n++
		return next(ctx)
	})
	s := httptest.NewServer(srv)
	defer s.Close()
	_, text, err := exchange(t, s, "application/jsonl", `{"query":"{ parts }"}`)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if want := fmt.Sprintf(`"extensions":{"n":%d}`, i); !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// The blocks that need one line each.
func TestCaches(t *testing.T) {
	plans, err := plancache.New(plancache.Options[*ast.QueryDocument]{})
	if err != nil {
		t.Fatal(err)
	}
	persisted := newPersisted(t)
	srv := newServer(gqlgen.POST(gqlgen.Options{}))
	srv.SetQueryCache(gqlgen.QueryCache(plans, executable()))
	srv.Use(extension.AutomaticPersistedQuery{Cache: persisted})
	s := gqlgen.WithArenas(srv)
	const query = "{ echo }"
	hash := plancache.HashQuery(query)
	apq := fmt.Sprintf(`"extensions":{"persistedQuery":{"version":1,"sha256Hash":%q}}`, hash)
	for i, c := range []struct{ body, want string }{
		{`{` + apq + `}`, "PersistedQueryNotFound"},
		{`{"query":"{ fail }",` + apq + `}`, "hash does not match"},
		{`{` + apq + `}`, "PersistedQueryNotFound"},
		{`{"query":"` + query + `",` + apq + `}`, `"data":{"echo"`},
		{`{` + apq + `}`, `"data":{"echo"`},
		{`{"query":"{ arena }"}`, "from it"},
	} {
		b, _ := io.ReadAll(post(c.body).send(s).Body)
		if !strings.Contains(string(b), c.want) {
			t.Errorf("%d: got %s, want %s", i, b, c.want)
		}
	}
	if st := plans.Stats(); st.Hits != 1 || st.Misses != 2 || plans.Len() != 2 {
		t.Errorf("got %+v", st)
	}
}

func newPersisted(t *testing.T) *plancache.Persisted {
	t.Helper()
	p, err := plancache.NewPersisted(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// Persisted queries are found by what gqlgen's own cache finds them.
func TestHashSpelling(t *testing.T) {
	servers := make([]*handler.Server, 2)
	for i, cache := range []graphql.Cache[string]{lru.New[string](10), newPersisted(t)} {
		servers[i] = newServer(gqlgen.POST(gqlgen.Options{}))
		servers[i].Use(extension.AutomaticPersistedQuery{Cache: cache})
	}
	hash := plancache.HashQuery("{ echo }")
	for _, sent := range []string{hash, strings.ToUpper(hash), hash[:63], " " + hash, ""} {
		for _, query := range []string{"", "{ echo }", "{ other }", "", "{ echo }", ""} {
			r := post(fmt.Sprintf(`{"query":%q,"extensions":{"persistedQuery":{"version":1,"sha256Hash":%q}}}`, query, sent))
			theirs, ours := decoded(t, r.send(servers[0])), decoded(t, r.send(servers[1]))
			if !reflect.DeepEqual(theirs, ours) {
				t.Errorf("%q %q: gqlgen's\n%v, ours\n%v", sent, query, theirs, ours)
			}
		}
	}
}

// Nothing that outlives a request is part of its memory, which is used again.
func TestTextsOutliveRequests(t *testing.T) {
	kept := plans{}
	srv := newServer(gqlgen.POST(gqlgen.Options{}))
	srv.SetQueryCache(kept)
	for i := range 100 {
		query := fmt.Sprintf("query Q%d($s: String) { echo(s: $s) %s }", i, strings.Repeat(" __typename", 20))
		body, _ := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"s": "x"}})
		if r := post(string(body)).send(srv); r.StatusCode != 200 {
			t.Fatal(r.Status)
		}
	}
	for i := range 100 {
		query := fmt.Sprintf("query Q%d($s: String) { echo(s: $s) %s }", i, strings.Repeat(" __typename", 20))
		if doc := kept[query]; doc == nil || doc.Operations[0].Name != fmt.Sprintf("Q%d", i) {
			t.Fatalf("%s has become another text", query)
		}
	}
}

// plans keeps all.
type plans map[string]*ast.QueryDocument

func (p plans) Get(_ context.Context, key string) (*ast.QueryDocument, bool) {
	d, ok := p[key]
	return d, ok
}
func (p plans) Add(_ context.Context, key string, d *ast.QueryDocument) { p[key] = d }
