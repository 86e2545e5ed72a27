package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/examples/app"
	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/examples/blog/schema"
	"github.com/gqlboost/gqlboost/examples/blog/seed"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
)

// The baseline, and the servers that must answer as it does.
var (
	baseline *httptest.Server
	others   = map[string]*httptest.Server{}
	answered = map[string]int{} // by direct itself, and left to the server behind it
	database *postgres.Server
	// What the compiled executor left to gqlgen's, by reason.
	fallbacks func() map[string]uint64
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // The baseline shows times of where it is.
	os.Exit(postgres.Main(m, func(s *postgres.Server) {
		database = s
		if err := serveAll(s.DSN()); err != nil {
			panic(err)
		}
	}))
}

func serveAll(dsn string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := seed.Fill(ctx, conn, 0.02); err != nil {
		return err
	}
	open := func(server app.Server, err error) *httptest.Server {
		if err != nil {
			panic(err)
		}
		return httptest.NewServer(server)
	}
	all := blocks.Blocks{SIMDJSON: true, PlanCache: true, Pool: true, Reader: true, Dataloader: true, Stream: true, Arena: true, GC: true}
	baseline = open(blocks.Blocks{}.Open(ctx, dsn, 8, 0, nil))
	others["boosted"] = open(all.Open(ctx, dsn, 8, 0, nil))
	all.Compiled = true
	compiled, err := all.Open(ctx, dsn, 8, 0, nil)
	if err != nil {
		return err
	}
	others["compiled"] = open(compiled, nil)
	all.Batch = true
	others["batched"] = open(all.Open(ctx, dsn, 8, 0, nil))
	others["tuned"] = open(blocks.Blocks{Batch: true}.Open(ctx, dsn, 8, 0, nil))
	fallbacks = compiled.Schema.(interface{ Fallbacks() map[string]uint64 }).Fallbacks
	server, err := openDirect(ctx, dsn, 8)
	if err != nil {
		return err
	}
	h := server.handler
	behind := h.next
	h.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered["left"]++
		behind.ServeHTTP(w, r)
	})
	others["direct"] = open(server, nil)
	return nil
}

type fields = map[string]any

// send posts a request and returns its status, media type and decoded body.
func send(t testing.TB, s *httptest.Server, body, accept string) (int, string, fields) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.URL+"/graphql", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var o fields
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v: %.300q", err, text)
	}
	media, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return response.StatusCode, media, o
}

// compare sends a request to all servers.
func compare(t testing.TB, query string, variables fields) {
	t.Helper()
	body, err := json.Marshal(fields{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	for _, accept := range []string{"application/json", "application/graphql-response+json"} {
		status, media, want := send(t, baseline, string(body), accept)
		for name, s := range others {
			if want["errors"] != nil && (name == "batched" || name == "tuned") {
				continue // gqlgen's errors of batch resolvers have no locations.
			}
			gotStatus, gotMedia, got := send(t, s, string(body), accept)
			if gotStatus != status || gotMedia != media || !reflect.DeepEqual(got, want) {
				t.Errorf("%s answers %s with %v\n%d %s %v\nthe baseline\n%d %s %v", name, query, variables, gotStatus, gotMedia, show(got), status, media, show(want))
			}
		}
	}
}

func show(o fields) string {
	b, _ := json.Marshal(o)
	return string(b[:min(len(b), 1500)])
}

func TestSameAnswers(t *testing.T) {
	for _, c := range []struct {
		query     string
		variables fields
	}{
		{`query($id: ID!) { user(id: $id) { id name bio profile followerCount } }`, fields{"id": "3"}},
		{`query($id: ID!) { user(id: $id) { id name posts(first: 10) { id title excerpt author { id name } tags { name } } } }`, fields{"id": "1"}},
		{`query($id: ID!) { post(id: $id) { id title body author { id name } tags { name } commentCount comments(first: 10) { id body author { id name } } } }`, fields{"id": 7}},
		{`query($before: ID) { feed(first: 20, before: $before) { id title excerpt author { id name } commentCount comments(first: 3) { id body author { id name } } } }`, fields{"before": "500"}},
		{`query($before: ID) { feed(first: 20, before: $before) { id } }`, fields{"before": nil}},
		{`query($before: ID) { feed(first: 20, before: $before) { id } }`, nil},
		{`query($n: Int) { feed(first: $n) { id } }`, nil},
		{`query($n: Int) { feed(first: $n) { id } }`, fields{"n": nil}},
		{`query($n: Int = 3) { feed(first: $n) { id } }`, nil},
		{`query($n: Int!) { feed(first: $n) { id comments(first: $n) { id } } }`, fields{"n": 2}},
		{`{ feed { id status views publishedAt slug } }`, nil},
		{`query($t: String!) { search(text: $t, first: 20) { id title author { id name } } }`, fields{"t": "the"}},
		{`query($t: String!) { search(text: $t) { id } }`, fields{"t": "nothing \\ ' \" & ! such"}},
		{`{ comments(first: 200, after: 20) { id body createdAt post { id slug } } }`, nil},
		// Lists that are sent while they are read.
		{`{ comments(first: 5000) { id body createdAt } }`, nil},
		{`{ comments(first: 5000) { n: id __typename body again: body author { name } } totals { posts } }`, nil},
		{`{ c: comments(first: 3) { __typename } d: comments(first: 0) { id } comments(first: 2) { post { author { __typename } tags { __typename } comments { __typename } } } }`, nil},
		{`{ comments(first: 200000) { id } }`, nil},
		{`{ totals { users posts comments } }`, nil},
		{`{ user(id: 999999) { id } post(id: "0") { id } }`, nil},
		{`{ a: user(id: 1) { id } b: user(id: 2) { id, x: name, y: name, followers { id handle email } } __typename }`, nil},
		{`{ user(id: 1) { __typename } totals { __typename } feed(first: 1) { __typename author { __typename } comments { t: __typename } } }`, nil},
		{`query A { user(id: 1) { id } }`, nil},
		{`fragment U on User { id name posts(first: 2) { ...P } } fragment P on Post { id author { ... on User { email } } } { user(id: 2) { ...U ... on User { createdAt posts(first: 2) { title } } } }`, nil},
		{`query($a: Boolean!, $b: Boolean!) { user(id: 1) { id @skip(if: $a) name @include(if: $b) ... @include(if: $a) { bio } } }`, fields{"a": true, "b": true}},
		{`query($a: Boolean!, $b: Boolean!) { user(id: 1) { id @skip(if: $a) name @include(if: $b) ... @include(if: $a) { bio } } }`, fields{"a": false, "b": true}},
		{`query($a: Boolean!) { user(id: 1) { id @skip(if: $a) handle } }`, fields{"a": true}},
		// What ends in errors.
		{`{ feed(first: 1000) { id } }`, nil},
		{`{ feed(first: -1) { id } }`, nil},
		{`{ user(id: 1) { id posts(first: 101) { id } } }`, nil},
		{`{ user(id: "x") { id } }`, nil},
		{`{ user { id } }`, nil},
		{`{ nothing }`, nil},
		{`{`, nil},
		{``, nil},
		{`query($id: ID!) { user(id: $id) { id } }`, nil},
		{`query($id: ID!) { user(id: $id) { id } }`, fields{"id": fields{}}},
		{`query A { totals { users } } query B { totals { posts } }`, nil},
		{`{ __schema { queryType { name } types { name kind fields { name } } } }`, nil},
		{`{ __type(name: "User") { name fields { name type { kind ofType { name } } } } }`, nil},
		{`mutation { addComment(input: {postId: 987654321, authorId: 1, body: "x"}) { id } }`, nil},
		{`mutation { m: createPost(input: {authorId: 987654321, title: "t", body: "x"}) { id } }`, nil},
		{`mutation { addComment(input: {postId: 1, authorId: 1, body: "  "}) { id } }`, nil},
		{`mutation { createPost(input: {authorId: 1, title: " ", body: "x"}) { id } }`, nil},
	} {
		compare(t, c.query, c.variables)
	}
}

// Mutations change the data, so what they answer differs in ids only.
func TestSameMutations(t *testing.T) {
	const create = `mutation($in: NewPost!) { one: createPost(input: $in) { title slug excerpt body status views author { id handle } tags { name } commentCount comments { id } } __typename }`
	const add = `mutation($p: ID!) { addComment(input: {postId: $p, authorId: 2, body: "ü \" \\ <&>"}) { body author { id name } post { id commentCount } } }`
	run := func(s *httptest.Server, post string) []fields {
		var answers []fields
		for _, c := range []struct {
			query     string
			variables fields
		}{
			{create, fields{"in": fields{"authorId": 3, "title": "Ein Tag: «Größe»", "body": strings.Repeat("Text ", 100), "tags": []string{"new", "newer", "new"}}}},
			{create, fields{"in": fields{"authorId": "3", "title": "No tags", "body": "b"}}},
			{`mutation { createPost(input: {authorId: 1, title: "t", body: "x", tags: []}) { title tags { name } } }`, nil},
			{add, fields{"p": post}},
		} {
			body, _ := json.Marshal(fields{"query": c.query, "variables": c.variables})
			status, _, answer := send(t, s, string(body), "application/json")
			if status != 200 || answer["errors"] != nil {
				t.Errorf("%s: %d %s", c.query, status, show(answer))
			}
			if comment, ok := answer["data"].(fields)["addComment"].(fields); ok {
				delete(comment["post"].(fields), "id")
			}
			answers = append(answers, answer)
		}
		return answers
	}
	var posts []string // without comments, one for each server
	_, _, o := send(t, baseline, `{"query":"{ feed(first: 100) { id commentCount } }"}`, "")
	for _, p := range o["data"].(fields)["feed"].([]any) {
		if p := p.(fields); p["commentCount"] == json.Number("0") {
			posts = append(posts, p["id"].(string))
		}
	}
	want := run(baseline, posts[0])
	i := 0
	for name, s := range others {
		i++
		if got := run(s, posts[i]); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%v\nthe baseline\n%v", name, got, want)
		}
	}
}

// Queries that are made up: selections of every field, with aliases, fragments and
// directives.
func TestSameAnswersToRandomQueries(t *testing.T) {
	parsed := gqlparser.MustLoadSchema(&ast.Source{Input: schema.SDL})
	before, n := answered["left"], 300
	for seed := range n {
		g := &queries{random: rand.New(rand.NewPCG(uint64(seed), 7)), schema: parsed}
		compare(t, g.query(), fields{"t": seed%2 == 0, "n": seed % 4, "id": fmt.Sprint(1 + seed%150)})
		if t.Failed() {
			return
		}
	}
	if left := answered["left"] - before; left > n/10 {
		t.Errorf("direct has left %d of %d queries to the server behind it", left, 2*n)
	}
	for reason, count := range fallbacks() {
		if reason != "introspection" {
			t.Errorf("compiled has left %d operations to gqlgen's executor: %s", count, reason)
		}
	}
}

// queries makes queries.
type queries struct {
	random *rand.Rand
	schema *ast.Schema
	keys   int
}

func (g *queries) query() string {
	return "query($t: Boolean!, $n: Int!, $id: ID!) { used: user(id: $id) { id @skip(if: $t) handle posts(first: $n) { id } } " + g.selection(g.schema.Query, 3) + " }"
}

func (g *queries) selection(d *ast.Definition, depth int) string {
	var b strings.Builder
	for range 1 + g.random.IntN(4) {
		f := d.Fields[g.random.IntN(len(d.Fields))]
		if strings.HasPrefix(f.Name, "__") {
			b.WriteString(" __typename")
			continue
		}
		inner := g.schema.Types[f.Type.Name()]
		if inner.Kind == ast.Object && depth == 0 {
			continue
		}
		g.keys++
		text := fmt.Sprintf("k%d: %s", g.keys, f.Name)
		var arguments []string
		for _, a := range f.Arguments {
			switch {
			case a.Name == "first" && g.random.IntN(2) == 0:
				arguments = append(arguments, fmt.Sprintf("first: %d", g.random.IntN(4)))
			case a.Name == "first":
				arguments = append(arguments, "first: $n")
			case a.Name == "id":
				arguments = append(arguments, fmt.Sprintf("id: %d", g.random.IntN(200)))
			case a.Name == "text":
				arguments = append(arguments, `text: "the"`)
			case g.random.IntN(2) == 0:
				arguments = append(arguments, a.Name+": $id")
			}
		}
		if len(arguments) > 0 {
			text += "(" + strings.Join(arguments, ", ") + ")"
		}
		if g.random.IntN(5) == 0 {
			text += " @include(if: $t)"
		}
		if inner.Kind == ast.Object {
			text += " { id: __typename " + g.selection(inner, depth-1) + " }"
		}
		if g.random.IntN(6) == 0 {
			text = "... on " + d.Name + " { " + text + " }"
		}
		b.WriteString(" " + text)
	}
	return b.String() + " __typename"
}

// Texts that were sent once are found by their hashes.
func TestPersistedQueries(t *testing.T) {
	const text = "{ user(id: 1) { id name } }"
	hash := fmt.Sprintf(`"extensions":{"persistedQuery":{"version":1,"sha256Hash":"%s"}}`, plancache.HashQuery(text))
	for name, s := range others {
		for i, c := range []struct{ body, want string }{
			{`{` + hash + `}`, "PersistedQueryNotFound"},
			{`{"query":"{ totals { users } }",` + hash + `}`, "hash does not match"},
			{`{"query":"` + text + `",` + hash + `}`, `"id":"1"`},
			{`{` + hash + `}`, `"id":"1"`},
		} {
			if _, _, o := send(t, s, c.body, ""); !strings.Contains(show(o), c.want) {
				t.Errorf("%s: %d: %s", name, i, show(o))
			}
		}
	}
}

// A failure of Postgres is an error response, and the server goes on after it.
func TestPostgresFails(t *testing.T) {
	s := others["direct"]
	const body = `{"query":"{ user(id: 1) { id } feed(first: 1) { id } }"}`
	if err := database.Kill(); err != nil {
		t.Fatal(err)
	}
	status, _, o := send(t, s, body, "")
	if status < 500 || o["errors"] == nil || strings.Contains(show(o), "127.0.0.1") {
		t.Errorf("without Postgres: %d %s", status, show(o))
	}
	if err := database.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "it comes back", func() bool { status, _, _ = send(t, s, body, ""); return status == 200 })
}
