package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/examples/blog/seed"
	"github.com/gqlboost/gqlboost/examples/blog/server"
	"github.com/gqlboost/gqlboost/examples/blog/spans"
	"github.com/gqlboost/gqlboost/internal/postgres"
)

const scale = 0.01

var (
	blog     *httptest.Server
	database *pgxpool.Pool
	recorder = new(spans.Recorder)
)

func TestMain(m *testing.M) {
	code, err := withBlog(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withBlog(run func() int) (int, error) {
	ctx := context.Background()
	pg, err := postgres.Start(ctx, postgres.Options{Settings: postgres.Volatile()})
	if err != nil {
		return 0, err
	}
	defer pg.Stop()
	if err := fill(ctx, pg.DSN()); err != nil {
		return 0, err
	}
	config, err := pgxpool.ParseConfig(pg.DSN())
	if err != nil {
		return 0, err
	}
	config.ConnConfig.Tracer = recorder.Tracer()
	if database, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return 0, err
	}
	defer database.Close()
	blog = httptest.NewServer(server.New(database, recorder))
	defer blog.Close()
	return run(), nil
}

func fill(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = seed.Fill(ctx, conn, scale)
	return err
}

type object = map[string]any

// do sends a request and decodes the answer, which must be JSON.
func do(t *testing.T, r *http.Request) (int, object) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer object
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v: %.200s", err, body)
	}
	return response.StatusCode, answer
}

func post(t *testing.T, query string, variables object) (int, object) {
	t.Helper()
	body, err := json.Marshal(object{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, blog.URL+"/graphql", bytes.NewReader(body))
	r.RequestURI = ""
	r.Header.Set("Content-Type", "application/json")
	return do(t, r)
}

// data is post for queries that must succeed.
func data(t *testing.T, query string, variables object) object {
	t.Helper()
	status, answer := post(t, query, variables)
	if status != http.StatusOK || answer["errors"] != nil {
		t.Fatalf("%s: %d %v", query, status, answer["errors"])
	}
	return answer["data"].(object)
}

// want compares with what SQL says: a query of one JSON value.
func want(t *testing.T, got any, sql string, args ...any) {
	t.Helper()
	var text []byte
	if err := database.QueryRow(t.Context(), sql, args...).Scan(&text); err != nil {
		t.Fatal(err)
	}
	var expected any
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("got  %v\nwant %v", got, expected)
	}
}

func TestQueriesAgreeWithSQL(t *testing.T) {
	got := data(t, `query($id: ID!) { user(id: $id) { id name profile createdAt followerCount
		posts(first: 3) { id title body status author { handle } } followers(first: 2) { id } } }`, object{"id": "1"})
	want(t, got["user"], `select json_build_object('id', u.id::text, 'name', u.name, 'profile', u.profile,
		'createdAt', to_char(u.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
		'followerCount', (select count(*) from follows where followee_id = u.id),
		'followers', (select coalesce(json_agg(json_build_object('id', follower_id::text) order by follower_id), '[]')
			from (select * from follows where followee_id = u.id order by follower_id limit 2) f),
		'posts', (select coalesce(json_agg(json_build_object('id', p.id::text, 'title', title, 'body', body, 'status', status,
			'author', json_build_object('handle', u.handle)) order by p.id desc), '[]')
			from (select * from posts where author_id = u.id and status = 'PUBLISHED' order by id desc limit 3) p))
		from users u where u.id = 1`)

	got = data(t, `{ feed(first: 5, before: "300") { id tags { name } commentCount comments(first: 2) { id body author { id } post { slug } } } }`, nil)
	want(t, got["feed"], `select json_agg(json_build_object('id', p.id::text,
		'tags', (select coalesce(json_agg(json_build_object('name', t.name) order by t.id), '[]')
			from post_tags pt join tags t on t.id = pt.tag_id where pt.post_id = p.id),
		'commentCount', (select count(*) from comments where post_id = p.id),
		'comments', (select coalesce(json_agg(json_build_object('id', c.id::text, 'body', c.body,
			'author', json_build_object('id', c.author_id::text), 'post', json_build_object('slug', p.slug)) order by c.id), '[]')
			from (select * from comments where post_id = p.id order by id limit 2) c)) order by p.id desc)
		from (select * from posts where status = 'PUBLISHED' and id < 300 order by id desc limit 5) p`)

	got = data(t, `{ comments(first: 1500, after: "20") { id body } }`, nil)
	want(t, got["comments"], `select json_agg(json_build_object('id', id::text, 'body', body) order by id)
		from (select * from comments where id > 20 order by id limit 1500) c`)

	got = data(t, `{ search(text: "the", first: 7) { id } totals { users } missing: user(id: "123456789") { id } }`, nil)
	want(t, got, `select json_build_object('missing', null, 'totals', json_build_object('users', (select max(id) from users)),
		'search', (select json_agg(json_build_object('id', id::text)) from
			(select id from posts where search @@ to_tsquery('simple', 'the') and status = 'PUBLISHED' order by id desc limit 7) p))`)
}

func TestMutations(t *testing.T) {
	input := object{"authorId": "7", "title": "Ein neuer Tag: «Größe»", "body": "Text", "tags": []string{"new", "even newer"}}
	created := data(t, `mutation($input: NewPost!) { createPost(input: $input) { id slug author { id } tags { name } } }`,
		object{"input": input})["createPost"].(object)
	id := created["id"]
	expected := object{"id": id, "slug": "ein-neuer-tag-größe", "author": object{"id": "7"},
		"tags": []any{object{"name": "new"}, object{"name": "even newer"}}}
	if !reflect.DeepEqual(created, expected) {
		t.Errorf("got  %v\nwant %v", created, expected)
	}
	data(t, `mutation($post: ID!) { addComment(input: {postId: $post, authorId: 3, body: "First!"}) { id } }`, object{"post": id})
	got := data(t, `query($id: ID!) { post(id: $id) { title comments { body author { id } } } }`, object{"id": id})["post"]
	expected = object{"title": input["title"], "comments": []any{object{"body": "First!", "author": object{"id": "3"}}}}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("got  %v\nwant %v", got, expected)
	}

	for _, mutation := range []string{
		`mutation { addComment(input: {postId: 987654321, authorId: 1, body: "x"}) { id } }`,
		`mutation { addComment(input: {postId: 1, authorId: 1, body: "  "}) { id } }`,
		`mutation { createPost(input: {authorId: 1, title: "", body: "x"}) { id } }`,
	} {
		if _, answer := post(t, mutation, nil); answer["errors"] == nil || answer["data"] != nil {
			t.Errorf("%s: %v", mutation, answer)
		}
	}
}

// The status rules of GraphQL over HTTP, and an error body for each.
func TestBadRequests(t *testing.T) {
	const modern = "application/graphql-response+json"
	get := func(query string) string { return "?query=" + url.QueryEscape(query) }
	for _, c := range []struct {
		name, method, path, accept, contentType, body string
		status                                        int
		message                                       string
	}{
		{"malformed JSON", "POST", "", modern, "application/json", `{"query":`, 400, "could not be decoded"},
		{"not an object", "POST", "", "", "application/json", `42`, 400, "could not be decoded"},
		{"unknown field", "POST", "", modern, "application/json", `{"query":"{nope}"}`, 400, "Cannot query field"},
		{"unknown field, older clients", "POST", "", "application/json", "application/json", `{"query":"{nope}"}`, 422, "Cannot query field"},
		{"no query", "POST", "", modern, "application/json", `{}`, 400, "no operation"},
		{"syntax error", "POST", "", modern, "application/json", `{"query":"{user("}`, 400, "Expected"},
		{"wrong variable", "POST", "", modern, "application/json", `{"query":"query($i:ID!){user(id:$i){id}}","variables":{"i":{}}}`, 400, "cannot use map as ID"},
		{"10 MB", "POST", "", modern, "application/json", strings.Repeat(" ", 10<<20), 413, "larger than"},
		{"wrong media type", "POST", "", modern, "text/plain", `{"query":"{nope}"}`, 415, "application/json"},
		{"broken GET", "GET", get("{nope"), modern, "", "", 400, "Expected"},
		{"broken variables in GET", "GET", get("{totals{users}}") + "&variables={", modern, "", "", 400, "variables"},
		{"mutation by GET", "GET", get(`mutation{addComment(input:{postId:1,authorId:1,body:"x"}){id}}`), modern, "", "", 405, "GET"},
		{"too many tokens", "POST", "", modern, "application/json", `{"query":"{` + strings.Repeat("a ", 20_000) + `}"}`, 400, "exceeded token limit"},
		{"huge page", "POST", "", modern, "application/json", `{"query":"{feed(first:1000000){id}}"}`, 200, "first must be"},
	} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(c.body)
			if chunked {
				body = struct{ io.Reader }{body}
			}
			r, err := http.NewRequestWithContext(t.Context(), c.method, blog.URL+"/graphql"+c.path, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept", c.accept)
			r.Header.Set("Content-Type", c.contentType)
			status, answer := do(t, r)
			errors, _ := answer["errors"].([]any)
			if status != c.status || len(errors) == 0 || answer["data"] != nil {
				t.Errorf("%s (chunked %v): %d %v, want %d and errors", c.name, chunked, status, answer, c.status)
				continue
			}
			if message, _ := errors[0].(object)["message"].(string); !strings.Contains(message, c.message) || len(message) > 2000 {
				t.Errorf("%s: message %.300q, want %q in it", c.name, message, c.message)
			}
		}
	}
}

func TestSpansAddUp(t *testing.T) {
	before := recorder.Figures()
	data(t, "{ user(id: 2) { name followerCount } } # not parsed before", nil)
	grown := map[string]int64{}
	for i, figure := range recorder.Figures() {
		grown[figure.Name] = figure.Count - before[i].Count
		if figure.Nanos < before[i].Nanos {
			t.Error(figure.Name, "shrank")
		}
	}
	expected := map[string]int64{"http": 1, "read": 1, "parse": 1, "validate": 1, "execute": 1, "pool wait": 2, "query": 2}
	if !reflect.DeepEqual(grown, expected) {
		t.Errorf("got  %v\nwant %v", grown, expected)
	}
}

func TestHealthAndPages(t *testing.T) {
	for path, part := range map[string]string{"/": "graphiql", "/healthz": "ok"} {
		response, err := http.Get(blog.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 || !strings.Contains(strings.ToLower(string(body)), part) {
			t.Errorf("%s: %d %v %.100s", path, response.StatusCode, err, body)
		}
	}
	down, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/none?connect_timeout=1")
	if err != nil {
		t.Fatal(err)
	}
	defer down.Close()
	w := httptest.NewRecorder()
	server.New(down, nil).ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Error("without Postgres the health is", w.Code)
	}
}

func TestDebug(t *testing.T) {
	w := httptest.NewRecorder()
	server.Debug(recorder).ServeHTTP(w, httptest.NewRequest("GET", "/debug/runtime", nil))
	var values object
	if err := json.Unmarshal(w.Body.Bytes(), &values); err != nil {
		t.Fatal(err)
	}
	if live, _ := values["/gc/heap/allocs:bytes"].(float64); live <= 0 {
		t.Errorf("allocated %v bytes", values["/gc/heap/allocs:bytes"])
	}
	for _, path := range []string{"/debug/spans", "/debug/pprof/heap", "/debug/pprof/goroutine"} {
		w := httptest.NewRecorder()
		server.Debug(recorder).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
