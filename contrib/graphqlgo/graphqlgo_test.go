package graphqlgo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/gqlerrors"
	"github.com/graphql-go/handler"

	"github.com/gqlboost/gqlboost/contrib/graphqlgo"
	"github.com/gqlboost/gqlboost/contrib/internal/host/hosttest"
	"github.com/gqlboost/gqlboost/plancache"
)

func newSchema(t *testing.T) graphql.Schema {
	t.Helper()
	echo := &graphql.Field{Type: graphql.String, Args: graphql.FieldConfigArgument{"s": {Type: graphql.String}, "n": {Type: graphql.Int}},
		Resolve: func(p graphql.ResolveParams) (any, error) { return fmt.Sprint(p.Args["s"], p.Args["n"]), nil }}
	schema, err := graphql.NewSchema(graphql.SchemaConfig{
		Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{
			"echo":   echo,
			"fail":   {Type: graphql.String, Resolve: func(graphql.ResolveParams) (any, error) { return nil, errors.New("it failed <&>") }},
			"panics": {Type: graphql.String, Resolve: func(graphql.ResolveParams) (any, error) { panic("on purpose") }},
		}}),
		Mutation: graphql.NewObject(graphql.ObjectConfig{Name: "Mutation", Fields: graphql.Fields{"echo": echo}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// Queries are parsed and validated once, and answers are those of graphql.Do.
func TestHandler(t *testing.T) {
	schema := newSchema(t)
	plans, err := plancache.New(plancache.Options[*graphqlgo.Plan]{})
	if err != nil {
		t.Fatal(err)
	}
	defer plans.Close()
	persisted, err := plancache.NewPersisted(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer persisted.Close()
	theirs := func(query, name string, variables map[string]any) any {
		return graphql.Do(graphql.Params{Schema: schema, RequestString: query, OperationName: name, VariableValues: variables})
	}
	hosttest.Suite(t, graphqlgo.New(schema, plans, graphqlgo.Options{MaxBatch: 2, Persisted: persisted}), theirs)
	if s := plans.Stats(); s.Hits == 0 || plans.Len() == 0 {
		t.Errorf("%+v", s)
	}
}

func TestWithoutPlans(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"query":"{ echo }"}`))
	r.Header.Set("Content-Type", "application/json")
	graphqlgo.New(newSchema(t), nil, graphqlgo.Options{}).ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"data"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// With every option, answers and what callbacks get are those of graphql-go/handler.
func TestHandlerOptions(t *testing.T) {
	schema, err := graphql.NewSchema(graphql.SchemaConfig{Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{
		"root": {Type: graphql.String, Resolve: func(p graphql.ResolveParams) (any, error) { return fmt.Sprintf("%T %v", p.Source, p.Source), nil }},
		"user": {Type: graphql.String},
		"text": {Type: graphql.String, Resolve: func(graphql.ResolveParams) (any, error) { return "caf\xe9", nil }},
		"fail": {Type: graphql.String, Resolve: func(graphql.ResolveParams) (any, error) { return nil, errors.New("it failed") }},
	}})})
	if err != nil {
		t.Fatal(err)
	}
	plans, err := plancache.New(plancache.Options[*graphqlgo.Plan]{})
	if err != nil {
		t.Fatal(err)
	}
	defer plans.Close()
	user := func(_ context.Context, r *http.Request) map[string]any {
		return map[string]any{"user": r.Header.Get("User")}
	}
	format := func(err error) gqlerrors.FormattedError {
		return gqlerrors.FormattedError{Message: fmt.Sprint("formatted: ", err), Extensions: map[string]any{"code": "X"}}
	}
	type call struct {
		query, operation string
		root, variables  map[string]any
		errors           int
		body             any
	}
	var calls []call
	callback := func(_ context.Context, p *graphql.Params, r *graphql.Result, body []byte) {
		calls = append(calls, call{p.RequestString, p.OperationName, p.RootObject, p.VariableValues, len(r.Errors), decoded(string(body))})
	}
	for name, c := range map[string]struct {
		theirs handler.Config
		ours   graphqlgo.Options
	}{
		"none":     {},
		"root":     {handler.Config{RootObjectFn: user}, graphqlgo.Options{RootObjectFn: user}},
		"format":   {handler.Config{FormatErrorFn: format}, graphqlgo.Options{FormatErrorFn: format}},
		"callback": {handler.Config{ResultCallbackFn: callback, RootObjectFn: user}, graphqlgo.Options{ResultCallbackFn: callback, RootObjectFn: user}},
		"pretty":   {handler.Config{Pretty: true, ResultCallbackFn: callback}, graphqlgo.Options{Pretty: true, ResultCallbackFn: callback}},
		"explorer": {handler.Config{GraphiQL: true}, graphqlgo.Options{Browser: handler.New(&handler.Config{Schema: &schema, GraphiQL: true})}},
	} {
		c.theirs.Schema = &schema
		theirs, ours := handler.New(&c.theirs), graphqlgo.New(schema, plans, c.ours)
		for _, query := range []string{"{ root user }", "query Q { user fail }", "{ nothing }", "{", "{ user text }"} {
			for _, accept := range []string{"application/json", "text/html,*/*"} {
				for _, method := range []string{"POST", "GET"} {
					answer := func(h http.Handler) (int, any, []call) {
						calls = nil
						body, _ := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"a": 1}})
						target := "/"
						if method == "GET" {
							target, body = "/?variables=%7B%22a%22:1%7D&query="+url.QueryEscape(query), nil
						}
						r := httptest.NewRequest(method, target, bytes.NewReader(body))
						r.Header.Set("Content-Type", "application/json")
						r.Header.Set("Accept", accept)
						r.Header.Set("User", "ann")
						w := httptest.NewRecorder()
						h.ServeHTTP(w, r)
						if body := w.Body.String(); name == "pretty" && !strings.Contains(body, "\n\t\"") {
							t.Errorf("not indented: %s", body)
						}
						return w.Code, decoded(w.Body.String()), calls
					}
					if accept != "application/json" && (name != "explorer" || method == "POST") {
						continue // Theirs answers a POST with a page as well.
					}
					code, want, wantCalls := answer(theirs)
					gotCode, got, gotCalls := answer(ours)
					if code != gotCode || !reflect.DeepEqual(want, got) || !reflect.DeepEqual(wantCalls, gotCalls) {
						t.Errorf("%s, %s %s for %s:\ntheirs %d %v %+v\nours   %d %v %+v", name, method, query, accept, code, want, wantCalls, gotCode, got, gotCalls)
					}
				}
			}
		}
	}
}

// decoded is JSON as it is compared: what did not run has null for its data in one
// handler and none in the other. Another text is itself.
func decoded(text string) any {
	var o map[string]any
	if json.Unmarshal([]byte(text), &o) != nil {
		return text
	}
	if o["data"] == nil {
		delete(o, "data")
	}
	return o
}

// A mutation in an address does not reach the explorer, which would run it.
func TestBrowserRunsNoMutation(t *testing.T) {
	explorer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the explorer got it") })
	h := graphqlgo.New(newSchema(t), nil, graphqlgo.Options{Browser: explorer})
	// graphql-go/handler runs a text whose variables are no JSON.
	for _, more := range []string{"", "&variables=%7B", "&extensions=x"} {
		r := httptest.NewRequest("GET", "/?query="+url.QueryEscape("mutation { echo }")+more, nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 405 {
			t.Errorf("%q: %d %s", more, w.Code, w.Body)
		}
	}
}

// An explorer gets only trusted documents: it runs what is in the address.
func TestBrowserRunsTrusted(t *testing.T) {
	reached := 0
	h := graphqlgo.New(newSchema(t), nil, graphqlgo.Options{
		Browser:   http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }),
		Persisted: plancache.NewTrusted(slices.Values([]string{`{ echo(s: "known") }`})),
	})
	for query, want := range map[string]int{"": 1, `{ echo(s: "known") }`: 1, `{ echo(s: "evil") }`: 0} {
		for _, more := range []string{"", "&variables=%7B"} {
			reached = 0
			r := httptest.NewRequest("GET", "/?query="+url.QueryEscape(query)+more, nil)
			r.Header.Set("Accept", "text/html")
			if h.ServeHTTP(httptest.NewRecorder(), r); reached != want {
				t.Errorf("%q%s: reached %d times, want %d", query, more, reached, want)
			}
		}
	}
}
