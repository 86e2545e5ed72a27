package gqlgen_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/internal/npm"
)

const cacheControl = `
	directive @cacheControl(maxAge: Int, scope: CacheControlScope, inheritMaxAge: Boolean) on FIELD_DEFINITION | OBJECT | INTERFACE | UNION
	enum CacheControlScope { PUBLIC PRIVATE }
`

// cachingServer serves a schema of which every field is null, and calls resolve for each
// operation.
func cachingServer(t *testing.T, sdl string, c *gqlgen.CacheControl, resolve func(context.Context)) *handler.Server {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Input: sdl})
	if err != nil {
		t.Fatalf("%v in\n%s", err, sdl)
	}
	srv := handler.New(&graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return s },
		ExecFunc: func(context.Context) graphql.ResponseHandler {
			ran := false
			return func(ctx context.Context) *graphql.Response {
				if ran {
					return nil
				}
				ran = true
				if resolve != nil {
					resolve(ctx)
				}
				return &graphql.Response{Data: []byte("{}")}
			}
		},
	})
	srv.AddTransport(gqlgen.GET(gqlgen.Options{}))
	srv.AddTransport(gqlgen.POST(gqlgen.Options{MaxBatch: 10}))
	srv.Use(extension.Introspection{})
	srv.Use(c)
	return srv
}

func header(h http.Handler, query string) string {
	body, _ := json.Marshal(map[string]any{"query": query, "variables": map[string]any{"yes": true, "no": false}})
	return post(string(body)).send(h).Header.Get("Cache-Control")
}

// Examples of Apollo Server's documentation, and what it does not say.
func TestCacheControl(t *testing.T) {
	srv := cachingServer(t, cacheControl+`
		type Query {
			book: Book
			cachedBook: Book @cacheControl(maxAge: 60)
			reader: Reader @cacheControl(maxAge: 40)
			scalar: String
			cachedScalar: String @cacheControl(maxAge: 5)
			node: Node @cacheControl(maxAge: 100)
			self: Query @cacheControl(maxAge: 7)
		}
		type Mutation { cachedScalar: String @cacheControl(maxAge: 5) }
		type Book { title: String cachedTitle: String @cacheControl(maxAge: 30) author: Author }
		type Author @cacheControl(inheritMaxAge: true) { name: String }
		type Reader { book: Book @cacheControl(inheritMaxAge: true) secret: String @cacheControl(scope: PRIVATE) }
		interface Node { id: ID }
		type A implements Node @cacheControl(maxAge: 1) { id: ID @cacheControl(maxAge: 90) }
		type B implements Node { id: ID @cacheControl(maxAge: 80) }
	`, &gqlgen.CacheControl{}, nil)
	for query, want := range map[string]string{
		`{ book { title } }`:                                      "",
		`{ cachedBook { title } }`:                                "max-age=60, public",
		`{ cachedBook { cachedTitle } }`:                          "max-age=30, public",
		`{ cachedBook { cachedTitle @skip(if: true) } }`:          "max-age=60, public",
		`{ book { cachedTitle } }`:                                "",
		`{ cachedBook { author { name } } }`:                      "max-age=60, public",
		`{ reader { book { title } } }`:                           "max-age=40, public",
		`{ reader { book { cachedTitle } } }`:                     "max-age=30, public",
		`{ reader { secret } }`:                                   "max-age=40, private",
		`{ scalar }`:                                              "",
		`{ cachedScalar }`:                                        "max-age=5, public",
		`{ cachedScalar scalar }`:                                 "",
		`{ __typename }`:                                          "",
		`{ __typename cachedScalar __schema { types { name } } }`: "max-age=5, public",
		`{ node { id } }`:                                         "max-age=80, public",
		`{ node { ... on A { id } } }`:                            "max-age=90, public",
		`{ self { scalar } }`:                                     "max-age=7, public",
		`{ self { ... { book { title } } } }`:                     "",
		`mutation { cachedScalar }`:                               "",
		`{ nothing }`:                                             "",
		`query($no: Boolean!) { cachedScalar ... @include(if: $no) { scalar } ...F @include(if: $no) } fragment F on Query { book { title } }`: "max-age=5, public",
	} {
		if got := header(srv, query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	// Nested fragments, each of which is named twice: exponentially many paths.
	bomb := "{ ...F0 } "
	for i := range 60 {
		bomb += fmt.Sprintf("fragment F%d on Query { ...F%d ...F%d } ", i, i+1, i+1)
	}
	if got, want := header(srv, bomb+"fragment F60 on Query { cachedScalar }"), "max-age=5, public"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	subgraph := cachingServer(t, cacheControl+`
		scalar _Any
		union _Entity = User | Product | Other
		type Query { _entities(representations: [_Any!]!): [_Entity]! }
		type User @cacheControl(maxAge: 60, scope: PRIVATE) { name: String }
		type Product @cacheControl(maxAge: 30) { name: String }
		type Other { name: String }
	`, &gqlgen.CacheControl{}, nil)
	for fragments, want := range map[string]string{
		"... on Product { name }":                         "max-age=30, public",
		"... on User { name } ... on Product { n: name }": "max-age=30, private",
		"... on User { name } ... on Other { n: name }":   "",
		"__typename": "",
	} {
		if got := header(subgraph, "{ _entities(representations: []) { "+fragments+" } }"); got != want {
			t.Errorf("%s: got %q, want %q", fragments, got, want)
		}
	}
	get := get("query", "{ cachedScalar }").send(srv)
	if get.Header.Get("Cache-Control") != "max-age=5, public" || get.Header.Get("Vary") != "Accept" {
		t.Errorf("%v", get.Header)
	}
	for body, want := range map[string]string{
		`[{"query":"{ cachedScalar }"},{"query":"{ reader { secret } }"}]`: "max-age=5, private",
		`[{"query":"{ cachedScalar }"},{"query":"{ scalar }"}]`:            "",
		`[{"query":"{ cachedScalar }"},{"query":"{ nothing }"}]`:           "",
		`[{"query":"{ cachedScalar }"},{"query":"{"}]`:                     "",
	} {
		if got := post(body).send(srv).Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

// What resolvers do, and what else is not cached.
func TestCacheControlAtRunTime(t *testing.T) {
	sdl := cacheControl + `type Query { a: String @cacheControl(maxAge: 60) } type Mutation { a: String }`
	age := func(seconds int, private bool) func(context.Context) {
		return func(ctx context.Context) { gqlgen.RestrictCache(ctx, time.Duration(seconds)*time.Second, private) }
	}
	for name, c := range map[string]struct {
		resolve func(context.Context)
		want    string
	}{
		"nothing": {func(context.Context) {}, "max-age=60, public"},
		"lower":   {age(10, false), "max-age=10, public"},
		"higher":  {age(100, false), "max-age=60, public"},
		"private": {age(100, true), "max-age=60, private"},
		"none":    {age(0, false), "no-store"},
		"past":    {age(-5, false), "no-store"},
		"error":   {func(ctx context.Context) { graphql.AddError(ctx, gqlerror.Errorf("failed")) }, "no-store"},
		"no JSON": {func(ctx context.Context) { graphql.RegisterExtension(ctx, "bad", make(chan int)) }, ""},
	} {
		srv := cachingServer(t, sdl, &gqlgen.CacheControl{NoStore: true}, c.resolve)
		if got := header(srv, "{ a }"); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	gqlgen.RestrictCache(t.Context(), 1, true) // does nothing
	srv := cachingServer(t, sdl, &gqlgen.CacheControl{NoStore: true}, nil)
	for _, query := range []string{"mutation { a }", "{", "{ nothing }", "{ __typename }"} {
		if got := header(srv, query); got != "no-store" {
			t.Errorf("%s: %q", query, got)
		}
	}
	for _, c := range []struct {
		sdl  string
		c    gqlgen.CacheControl
		want string
	}{
		{`type Query { a: String }`, gqlgen.CacheControl{}, "no directive"},
		{cacheControl + `type Query { a: String @cacheControl(maxAge: -1) }`, gqlgen.CacheControl{}, "Query.a"},
		{cacheControl + `type Query @cacheControl(maxAge: 1000000000000000000000) { a: String }`, gqlgen.CacheControl{}, "Query"},
		{cacheControl + `type Query { a: String }`, gqlgen.CacheControl{DefaultMaxAge: -1}, "negative"},
	} {
		err := c.c.Validate(newChanging(gqlparser.MustLoadSchema(&ast.Source{Input: c.sdl})))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error about %s", c.sdl, err, c.want)
		}
	}
	// An extension around this one adds an error.
	srv = handler.New(newChanging(gqlparser.MustLoadSchema(&ast.Source{Input: sdl})))
	srv.AddTransport(gqlgen.POST(gqlgen.Options{}))
	srv.AroundResponses(func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
		r := next(ctx)
		r.Errors = append(r.Errors, gqlerror.Errorf("too expensive"))
		return r
	})
	srv.Use(&gqlgen.CacheControl{})
	if got := header(srv, "{ a }"); got != "" {
		t.Errorf("with an error from another extension: %q", got)
	}
	// The host's own header stays.
	s := gqlparser.MustLoadSchema(&ast.Source{Input: sdl})
	srv = handler.New(newChanging(s))
	srv.AddTransport(gqlgen.POST(gqlgen.Options{ResponseHeaders: map[string][]string{"Cache-Control": {"max-age=1"}}}))
	srv.Use(&gqlgen.CacheControl{NoStore: true})
	for _, query := range []string{"{ a }", "mutation { a }"} {
		if got := header(srv, query); got != "max-age=1" {
			t.Errorf("%s: got %q, want the host's", query, got)
		}
	}
}

// randomHint returns a directive, or none.
func randomHint(r *rand.Rand) string {
	var args []string
	if r.IntN(3) > 0 {
		args = append(args, fmt.Sprintf("maxAge: %d", []int{0, 1, 5, 10, 20, 60}[min(r.IntN(30), 1+r.IntN(5))]))
	}
	if r.IntN(4) == 0 {
		args = append(args, "scope: "+[]string{"PUBLIC", "PRIVATE"}[r.IntN(2)])
	}
	if r.IntN(3) == 0 {
		args = append(args, "inheritMaxAge: "+[]string{"true", "true", "false"}[r.IntN(3)])
	}
	if len(args) == 0 || r.IntN(5) == 0 {
		return ""
	}
	return " @cacheControl(" + strings.Join(args, ", ") + ")"
}

// randomSchema returns a schema of objects T0 to T3, which implement the interface I and are
// the union U. Every type has the same fields.
func randomSchema(r *rand.Rand) string {
	var b strings.Builder
	fields := func() {
		for _, f := range []string{"s: String", "n: [Int!]", "t0: T0", "t1: [T1!]!", "t2: T2!", "t3: [[T3]]", "i: [I]", "u: [U]"} {
			b.WriteString(f + randomHint(r) + " ")
		}
	}
	b.WriteString(cacheControl + "type Query" + randomHint(r) + " { ")
	fields()
	fmt.Fprintf(&b, "} union U%s = T0 | T1 interface I%s { ", randomHint(r), randomHint(r))
	fields()
	b.WriteString("} ")
	for i := range 4 {
		fmt.Fprintf(&b, "type T%d implements I%s { ", i, randomHint(r))
		fields()
		b.WriteString("} ")
	}
	return b.String()
}

// randomSelection returns a selection from objects of a type.
func randomSelection(r *rand.Rand, of string, depth int) string {
	var b strings.Builder
	condition := func() string {
		return []string{"", " @include(if: $yes)", " @skip(if: $no)", " @skip(if: $yes)", " @include(if: $no)"}[max(r.IntN(14)-9, 0)]
	}
	b.WriteString("{ ")
	if of == "U" || r.IntN(8) == 0 {
		b.WriteString("__typename ")
	}
	for i := range 1 + r.IntN(3) {
		switch n := r.IntN(8); {
		case of == "U" || n == 0 && of != "Query":
			on := "T" + strconv.Itoa(r.IntN(2))
			if of != "U" && of != "I" {
				on = []string{of, "I"}[r.IntN(2)]
			}
			fmt.Fprintf(&b, "... on %s%s %s ", on, condition(), randomSelection(r, on, depth))
		case n == 1:
			fmt.Fprintf(&b, "...%s %s ", condition(), randomSelection(r, of, depth))
		default:
			f := []string{"s", "n", "t0", "t1", "t2", "t3", "i", "u"}[r.IntN(8)]
			if depth == 0 {
				f = "s"
			}
			fmt.Fprintf(&b, "%s%d: %s%s ", f, i, f, condition())
			if result := map[string]string{"t0": "T0", "t1": "T1", "t2": "T2", "t3": "T3", "i": "I", "u": "U"}[f]; result != "" {
				b.WriteString(randomSelection(r, result, depth-1))
			}
		}
	}
	b.WriteString("} ")
	return b.String()
}

// Headers are Apollo Server's where an operation has all types of an object, as in the
// lists of interfaces and unions here, and never allow more elsewhere.
func TestCacheControlEqualsApollo(t *testing.T) {
	npm.Install(t, "testdata/apollo")
	type schema struct {
		Schema  string   `json:"schema"`
		Queries []string `json:"queries"`
	}
	r := rand.New(rand.NewPCG(1, 2))
	var all []schema
	for range 20 {
		s := schema{Schema: randomSchema(r)}
		for range 40 {
			s.Queries = append(s.Queries, "query($yes: Boolean!, $no: Boolean!) "+randomSelection(r, "Query", 3))
		}
		all = append(all, s)
	}
	input, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "testdata/apollo/policy.mjs")
	var stderr bytes.Buffer
	node.Stdin, node.Stderr = bytes.NewReader(input), &stderr
	output, err := node.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	var answers []struct {
		Header string
		Errors []string
	}
	if err := json.Unmarshal(output, &answers); err != nil || len(answers) != 20*40 {
		t.Fatalf("%d answers, %v", len(answers), err)
	}
	cacheable, compared, i := 0, 0, 0
	for _, s := range all {
		srv := cachingServer(t, s.Schema, &gqlgen.CacheControl{NoStore: true}, nil)
		for _, query := range s.Queries {
			want := answers[i]
			i++
			if len(want.Errors) > 0 {
				continue // Two fields that do not merge.
			}
			compared++
			got := header(srv, query)
			if got != want.Header && (!strings.Contains(query, ": i ") || !lower(t, got, want.Header)) {
				t.Errorf("%s\n%s\ngot %q, Apollo Server %q", s.Schema, query, got, want.Header)
			}
			if got != "no-store" {
				cacheable++
			}
		}
	}
	if compared < 400 || cacheable < 80 {
		t.Errorf("%d compared, %d of them cacheable", compared, cacheable)
	}
}

var maxAge = regexp.MustCompile(`max-age=(\d+), (public|private)`)

// lower reports whether a header allows no more than another one.
func lower(t *testing.T, a, b string) bool {
	t.Helper()
	parse := func(s string) (age int, private bool) {
		m := maxAge.FindStringSubmatch(s)
		if m == nil {
			return 0, true
		}
		age, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return age, m[2] == "private"
	}
	age, private := parse(a)
	limit, limitPrivate := parse(b)
	return age <= limit && (private || !limitPrivate)
}
