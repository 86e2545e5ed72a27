package graphgophers_test

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
	"sync/atomic"
	"testing"

	graphql "github.com/graph-gophers/graphql-go"
	gqlerrors "github.com/graph-gophers/graphql-go/errors"
	"github.com/graph-gophers/graphql-go/introspection"
	"github.com/graph-gophers/graphql-go/relay"

	"github.com/gqlboost/gqlboost/contrib/graphgophers"
	"github.com/gqlboost/gqlboost/contrib/internal/host/hosttest"
	"github.com/gqlboost/gqlboost/plancache"
)

type root struct{}

func (root) Query() *root    { return &root{} }
func (root) Mutation() *root { return &root{} }

func (*root) Echo(args struct {
	S *string
	N *int32
}) *string {
	s := fmt.Sprint(args.S != nil, args.N != nil)
	if args.S != nil {
		s = *args.S
	}
	return &s
}
func (*root) Fail() (*string, error)   { return nil, errors.New("it failed <&>") }
func (*root) Panics() (*string, error) { panic("on purpose") }

func TestHandler(t *testing.T) {
	schema := graphql.MustParseSchema(`
		schema { query: Query mutation: Mutation }
		type Query { echo(s: String, n: Int): String fail: String panics: String }
		type Mutation { echo(s: String, n: Int): String }`, &root{})
	persisted, err := plancache.NewPersisted(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer persisted.Close()
	h := graphgophers.New(schema, graphgophers.Options{MaxBatch: 2, Persisted: persisted})
	hosttest.Suite(t, h, func(query, name string, variables map[string]any) any {
		return schema.Exec(context.Background(), query, name, variables)
	})
}

// Only what is on a list of trusted documents runs, with a hash and without one.
func TestTrusted(t *testing.T) {
	schema := graphql.MustParseSchema(`schema { query: Query }
		type Query { echo(s: String, n: Int): String fail: String panics: String }`, &root{})
	trusted := plancache.NewTrusted(slices.Values([]string{`{ echo(s: "known") }`}))
	hosttest.Trusted(t, graphgophers.New(schema, graphgophers.Options{MaxBatch: 2, Persisted: trusted}))
}

type waiting struct{}

func (*waiting) Slow(ctx context.Context) *string {
	<-ctx.Done()
	return nil
}

// A request that ran out of time is not at fault.
func TestDeadline(t *testing.T) {
	schema := graphql.MustParseSchema(`schema { query: Query } type Query { slow: String }`, &waiting{})
	hosttest.Deadline(t, graphgophers.New(schema, graphgophers.Options{}))
}

// newChangeable returns a handler of a schema with a mutation.
func newChangeable() *graphgophers.Handler {
	schema := graphql.MustParseSchema(`
		schema { query: Query mutation: Mutation }
		type Query { echo(s: String, n: Int): String }
		type Mutation { echo(s: String, n: Int): String }`, &root{})
	return graphgophers.New(schema, graphgophers.Options{})
}

// A GET request runs no mutation. Whether a text is one is not left to parsers that may differ.
func TestGetRunsNoMutation(t *testing.T) {
	h := newChangeable()
	for query, status := range map[string]int{
		"mutation { echo }": 405, "subscription { echo }": 405, "{ echo }": 200,
		"mutation { echo(": 405, "mutation { echo" + strings.Repeat("{ a", 1500): 405, "{ echo(": 200,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/?query="+url.QueryEscape(query), nil))
		if w.Code != status {
			t.Errorf("%.20s: %d %.200s, want %d", query, w.Code, w.Body, status)
		}
	}
}

// Parsers differ in where a block string ends: to graph-gophers it does at an escaped quote, too, and at the first
// three of more quotes.
func TestGetRunsNoHiddenMutation(t *testing.T) {
	h := newChangeable()
	get := func(query string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/?operationName=B&query="+url.QueryEscape(query), nil))
		return w.Code
	}
	const hidden = `query A { echo(s: """ \""") } mutation B { echo } # """) }`
	const list = `query A { echo(s: [""" """"]) } query B { echo } # "]) } mutation B { echo }`
	for _, query := range []string{hidden, hidden + " query B { echo }", list} {
		if code := get(query); code != 405 {
			t.Errorf("%s: %d", query, code)
		}
	}
	for _, query := range []string{
		`query A { echo(s: """x""") } query B { echo }`, `query B { echo(s: """of a mutation""") }`,
	} {
		if code := get(query); code != 200 {
			t.Errorf("%s: %d", query, code)
		}
	}
}

// What can be kept of this host is a result that was made: of a query and its variables.
func TestThroughLoad(t *testing.T) {
	schema := graphql.MustParseSchema(`schema { query: Query } type Query { echo(s: String, n: Int): String fail: String panics: String }`, &root{})
	cache, err := plancache.New(plancache.Options[[]byte]{})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	for range 3 {
		data, err := cache.Load(t.Context(), plancache.Key{Query: `{ echo(s: "x") }`}, func(ctx context.Context) ([]byte, error) {
			return schema.Exec(ctx, `{ echo(s: "x") }`, "", nil).Data, nil
		})
		if err != nil || string(data) != `{"echo":"x"}` {
			t.Errorf("%s, %v", data, err)
		}
	}
	if s := cache.Stats(); s.Builds != 1 || s.Hits != 2 {
		t.Errorf("%+v", s)
	}
}

// counting is a tracer.
type counting struct{ queries *atomic.Int32 }

func (c counting) TraceQuery(ctx context.Context, _, _ string, _ map[string]any, _ map[string]*introspection.Type) (context.Context, func([]*gqlerrors.QueryError)) {
	c.queries.Add(1)
	return ctx, func([]*gqlerrors.QueryError) {}
}

func (c counting) TraceField(ctx context.Context, _, _, _ string, _ bool, _ map[string]any) (context.Context, func(*gqlerrors.QueryError)) {
	return ctx, func(*gqlerrors.QueryError) {}
}

type presenting struct{}

func (presenting) MakePanicError(_ context.Context, value any) *gqlerrors.QueryError {
	return gqlerrors.Errorf("panicked with %v", value)
}

// Every option of a schema holds: answers are those of relay.Handler.
func TestSchemaOptions(t *testing.T) {
	var traced atomic.Int32
	type key struct{}
	for name, options := range map[string][]graphql.SchemaOpt{
		"none":          nil,
		"depth":         {graphql.MaxDepth(1)},
		"length":        {graphql.MaxQueryLength(20)},
		"selections":    {graphql.MaxSelections(2)},
		"parallelism":   {graphql.MaxParallelism(1)},
		"restricted":    {graphql.RestrictIntrospection(func(ctx context.Context) bool { return ctx.Value(key{}) != nil })},
		"panic handler": {graphql.PanicHandler(presenting{})},
		"tracer":        {graphql.Tracer(counting{&traced})},
		"no pool":       {graphql.DisableMemoryPooling(), graphql.DisableFieldSelections()},
		"fields":        {graphql.UseFieldResolvers(), graphql.UseStringDescriptions()},
	} {
		schema := graphql.MustParseSchema(`
			schema { query: Query }
			type Query { echo(s: String, n: Int): String fail: String panics: String query: Query }`, &root{}, options...)
		ours := graphgophers.New(schema, graphgophers.Options{})
		for _, query := range []string{
			"{ echo }", "{ fail }", "{ panics }", "{ query { query { query { echo } } } }", "{ a: echo b: echo c: echo d: echo }",
			"{ __schema { types { name } } }", "{ echo # a long comment\n }", "{ nothing }",
		} {
			body, _ := json.Marshal(map[string]any{"query": query})
			for _, allowed := range []bool{false, true} {
				answer := func(h http.Handler) (o any) {
					r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					if allowed {
						r = r.WithContext(context.WithValue(r.Context(), key{}, true))
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil || w.Code != 200 {
						t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
					}
					return o
				}
				if theirs, ours := answer(&relay.Handler{Schema: schema}), answer(ours); !reflect.DeepEqual(theirs, ours) {
					t.Errorf("%s, %s: relay's\n%v, ours\n%v", name, query, theirs, ours)
				}
			}
		}
	}
	if n := traced.Load(); n == 0 || n%2 != 0 {
		t.Errorf("%d queries were traced, of relay's and as many of ours", n)
	}
}

type latin1 struct{}

func (*latin1) Text() string { return "caf\xe9" }

// Text that is not UTF-8 is what relay.Handler makes of it.
func TestAnyBytes(t *testing.T) {
	schema := graphql.MustParseSchema(`schema { query: Query } type Query { text: String! }`, &latin1{})
	for _, h := range []http.Handler{&relay.Handler{Schema: schema}, graphgophers.New(schema, graphgophers.Options{})} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"query":"{ text }"}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var o struct{ Data struct{ Text string } }
		if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil || w.Code != 200 || o.Data.Text != "caf\ufffd" {
			t.Errorf("%T: %d %q, %v", h, w.Code, w.Body, err)
		}
	}
}

func TestNilSchema(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a nil schema was taken")
		}
	}()
	graphgophers.New(nil, graphgophers.Options{})
}
