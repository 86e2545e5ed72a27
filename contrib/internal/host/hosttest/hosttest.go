// Package hosttest tests handlers of package host. It is a package of its own, so that servers do not import
// package testing.
package hosttest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/plancache"
)

// Suite tests a handler of the schema
//
//	type Query { echo(s: String, n: Int): String fail: String panics: String }
//	type Mutation { echo(s: String): String }
//
// against the host's own: answers to operations are to be the same, and requests are to be
// refused as GraphQL over HTTP asks for. The handler has the persisted queries and takes
// batches of two.
func Suite(t *testing.T, ours http.Handler, theirs func(query, name string, variables map[string]any) any) {
	t.Helper()
	answers(t, ours, theirs)
	Compressed(t, ours)
	protocol(t, ours)
	bodiless(t, ours)
}

// Trusted tests a handler of that schema that has the trusted document { echo(s: "known") }.
func Trusted(t *testing.T, ours http.Handler) {
	t.Helper()
	hash := plancache.HashQuery(`{ echo(s: "known") }`)
	for body, want := range map[string]string{
		`{"query":"{ echo(s: \"known\") }"}`:                                          `"known"`,
		`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + hash + `"}}}`: `"known"`,
		`{"query":"{ echo(s: \"evil\") }"}`:                                           "QUERY_NOT_IN_SAFELIST",
		`{"query":"{ echo(s: \"evil\") }","extensions":{}}`:                           "QUERY_NOT_IN_SAFELIST",
		`{"query":"{ echo(s: \"evil\") }","extensions":{"persistedQuery":1}}`:         "QUERY_NOT_IN_SAFELIST",
		`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}`:           "PERSISTED_QUERY_NOT_IN_LIST",
		`[{"query":"{ echo(s: \"evil\") }"},{"query":"{ echo(s: \"known\") }"}]`:      "QUERY_NOT_IN_SAFELIST",
	} {
		_, _, got := send(t, ours, "POST", "/", "application/json", modern, body)
		if b, _ := json.Marshal(got); !strings.Contains(string(b), want) || strings.Contains(string(b), "evil") {
			t.Errorf("%s: %s, want %s", body, b, want)
		}
	}
}

// Deadline tests a handler whose query { slow } waits for the end of the context: the request is not
// at fault.
func Deadline(t *testing.T, ours http.Handler) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ours.ServeHTTP(w, r.WithContext(ctx)) })
	code, _, got := send(t, handler, "POST", "/", "application/json", modern, `{"query":"{ slow }"}`)
	if code != http.StatusServiceUnavailable || got["errors"] == nil {
		t.Errorf("%d %v", code, got)
	}
}

// bodiless tests a request that did not come over HTTP: its Body is nil.
func bodiless(t *testing.T, ours http.Handler) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if ours.ServeHTTP(w, r); w.Code != http.StatusBadRequest {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

const modern = "application/graphql-response+json"

// send sends a request to a handler. A list that it answers with is the member batch.
func send(
	t *testing.T, to http.Handler, method, target, contentType, accept, body string,
) (status int, media string, answer map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	to.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Result().Body)
	if err := json.Unmarshal(b, &answer); err != nil {
		var list []any
		if json.Unmarshal(b, &list) != nil {
			t.Fatalf("%v: %q", err, b)
		}
		answer = map[string]any{"batch": list}
	}
	media, _, _ = strings.Cut(w.Result().Header.Get("Content-Type"), ";")
	return w.Code, media, answer
}

// answers tests that operations are answered as the host itself answers them.
func answers(t *testing.T, ours http.Handler, theirs func(query, name string, variables map[string]any) any) {
	t.Helper()
	for _, c := range []struct {
		query, name string
		variables   map[string]any
		status      int // for clients that want one
	}{
		{`query Q($s: String, $n: Int) { a: echo(s: $s, n: $n) }`, "Q", map[string]any{"s": "ü\" <&>", "n": 3.0}, 200},
		{`query A { echo } query B { b: echo(s: "x") }`, "B", nil, 200},
		{`{ fail echo(s: "still") }`, "", nil, 200},
		{`{ nothing }`, "", nil, 400},
		{`{`, "", nil, 400},
		{`mutation { echo(s: "m") }`, "", nil, 200},
	} {
		b, err := json.Marshal(theirs(c.query, c.name, c.variables))
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if c.status == 400 {
			delete(want, "data") // A request that did not run has none.
		}
		body, _ := json.Marshal(map[string]any{"query": c.query, "operationName": c.name, "variables": c.variables})
		for range 2 { // The second time it is known.
			for accept, status := range map[string]int{"application/json": 200, modern: c.status} {
				code, media, got := send(t, ours, "POST", "/", "application/json", accept, string(body))
				if code != status || media != accept || !reflect.DeepEqual(got, want) {
					t.Errorf("%s, %s: %d %s %v, want %d %v", c.query, accept, code, media, got, status, want)
				}
			}
		}
	}
}

// protocol tests the rest of GraphQL over HTTP: other methods, what is refused, batches and
// persisted queries.
func protocol(t *testing.T, ours http.Handler) {
	t.Helper()
	const text, mutation = `{ p: echo(s: "persisted") }`, `mutation { p: echo(s: "changed") }`
	extension := func(of string) string {
		return fmt.Sprintf(`{"persistedQuery":{"version":1,"sha256Hash":%q}}`, plancache.HashQuery(of))
	}
	apq := `"extensions":` + extension(text)
	quoted, _ := json.Marshal(text)
	changing, _ := json.Marshal(mutation)
	for _, c := range []struct {
		method, target, contentType, body string
		status                            int
		want                              string
	}{
		{"GET", "/?query=" + url.QueryEscape(`query Q($s: String) { echo(s: $s) }`) + "&variables=" +
			url.QueryEscape(`{"s":"got"}`), "", "", 200, "got"},
		{"GET", "/?query=" + url.QueryEscape(`mutation { echo }`), "", "", 405, "only have a query"},
		{"GET", "/?query=" + url.QueryEscape(`{ echo }`) + "&variables=%7B", "", "", 400, "variables"},
		{"PUT", "/", "application/json", `{}`, 405, "GET or POST"},
		{"POST", "/", "text/plain", `{}`, 415, "application/json"},
		{"POST", "/", "application/json", `{"query":`, 400, "not valid JSON"},
		{"POST", "/", "application/json", `{}`, 400, "no query"},
		{"POST", "/", "application/json", `{"query":"` + strings.Repeat("x", 17<<20) + `"}`, 413, "larger"},
		{"POST", "/", "application/json", `[{"query":"{ a: echo(s: \"1\") }"},{"query":"{ nothing }"}]`, 200, "nothing"},
		{"POST", "/", "application/json", `[{},{},{}]`, 413, "limit of 2"},
		{"POST", "/", "application/json", `{` + apq + `}`, 400, "PersistedQueryNotFound"},
		{"POST", "/", "application/json", `{"query":"{ echo }",` + apq + `}`, 400, "hash"},
		{"POST", "/", "application/json", `{"query":` + string(quoted) + `,` + apq + `}`, 200, "persisted"},
		{"POST", "/", "application/json", `{` + apq + `}`, 200, "persisted"},
		{"GET", "/?extensions=" + url.QueryEscape(extension(text)), "", "", 200, "persisted"},
		{"GET", "/?extensions=" + url.QueryEscape(extension(mutation)), "", "", 400, "PERSISTED_QUERY_NOT_FOUND"},
		{"POST", "/", "application/json",
			`{"query":` + string(changing) + `,"extensions":` + extension(mutation) + `}`, 200, "changed"},
		{"GET", "/?extensions=" + url.QueryEscape(extension(mutation)), "", "", 405, "only have a query"},
		{"GET", "/?query=%7Becho%7D&extensions=" + url.QueryEscape(extension(mutation)), "", "", 400, "hash"},
	} {
		code, _, got := send(t, ours, c.method, c.target, c.contentType, modern, c.body)
		b := new(bytes.Buffer)
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		_ = e.Encode(got)
		if code != c.status || !strings.Contains(b.String(), c.want) {
			t.Errorf("%s %.60s %.60s: %d %s, want %d with %q", c.method, c.target, c.body, code, b, c.status, c.want)
		}
	}
}

// Compressed tests a handler of that schema behind a middleware that compresses what goes
// through Write and knows nothing of lengths.
func Compressed(t *testing.T, ours http.Handler) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		ours.ServeHTTP(compressing{z, w}, r)
	}))
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	for _, size := range []int{1, 100_000} {
		text := strings.Repeat("x", size)
		r, err := http.Post(s.URL, "application/json", strings.NewReader(`{"query":"{ echo(s: \"`+text+`\") }"}`))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || !bytes.Contains(b, []byte(text)) || !json.Valid(b) {
			t.Errorf("%d bytes compressed: %v, %.100q", size, err, b)
		}
	}
}

type compressing struct {
	io.Writer
	http.ResponseWriter
}

func (c compressing) Write(b []byte) (int, error) { return c.Writer.Write(b) }
