package gqlgen_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql/handler"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/plancache"
)

// Nothing runs that is not on the list, whatever the request names.
func TestTrusted(t *testing.T) {
	known, other := `{ echo(s: "a") }`, `{ echo(s: "b") }`
	srv := handler.New(executable())
	srv.AddTransport(gqlgen.GET(gqlgen.Options{}))
	srv.AddTransport(gqlgen.POST(gqlgen.Options{MaxBatch: 10}))
	srv.Use(gqlgen.Trusted{Documents: plancache.NewTrusted(slices.Values([]string{known}))})
	for _, c := range []struct {
		query, hash string
		code        string // "": it runs
	}{
		{known, "", ""}, {"", plancache.HashQuery(known), ""}, {known, plancache.HashQuery(known), ""},
		{"", strings.ToUpper(plancache.HashQuery(known)), ""},
		{other, "", "QUERY_NOT_IN_SAFELIST"}, {"", plancache.HashQuery(other), "PERSISTED_QUERY_NOT_IN_LIST"},
		{other, plancache.HashQuery(other), "QUERY_NOT_IN_SAFELIST"},
		{other, plancache.HashQuery(known), "QUERY_NOT_IN_SAFELIST"},
		{known + " ", "", "QUERY_NOT_IN_SAFELIST"}, {"", "", "PERSISTED_QUERY_NOT_IN_LIST"},
	} {
		request := map[string]any{"query": c.query}
		if c.hash != "" {
			request["extensions"] = map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": c.hash}}
		}
		body, _ := json.Marshal(request)
		for _, body := range []string{string(body), fmt.Sprintf("[%s]", body)} {
			got := text(post(body).send(srv))
			if runs := strings.Contains(got, `"echo"`); runs != (c.code == "") || !strings.Contains(got, c.code) {
				t.Errorf("%s: got %s, want %q", body, got, c.code)
			}
		}
	}
	for name, documents := range map[string]*plancache.Persisted{"nil": nil, "automatic": newPersisted(t)} {
		if err := (gqlgen.Trusted{Documents: documents}).Validate(nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func text(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func ExampleTrusted() {
	documents := plancache.NewTrusted(slices.Values([]string{`{ echo(s: "hello") }`}))
	srv := handler.New(executable())
	srv.AddTransport(gqlgen.POST(gqlgen.Options{}))
	srv.Use(gqlgen.Trusted{Documents: documents})
	fmt.Println(text(post(`{"query":"{ echo(s: \"other\") }"}`).send(srv)))
	_, err := documents.Resolve(context.Background(), plancache.HashQuery(`{ echo(s: "hello") }`), "")
	fmt.Println(err)
	// Output:
	// {"errors":[{"message":"plancache: the query is not one of the trusted documents","extensions":{"code":"QUERY_NOT_IN_SAFELIST"}}],"data":null}
	// <nil>
}
