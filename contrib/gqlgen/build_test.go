package gqlgen_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/plancache"
)

// What Build refuses is what a server refuses, and what it builds the server serves.
func TestBuildIsTheExecutors(t *testing.T) {
	const limit = 40
	strict := func() *rules.Rules {
		r := rules.NewDefaultRules()
		r.RemoveRule("NoUnusedFragments")
		return r
	}
	for _, o := range []gqlgen.BuildOptions{{}, {ParserTokenLimit: limit}, {Rules: strict}} {
		schema := newChanging(generation(1))
		plans := newPlans(t, "")
		srv := handler.New(schema)
		srv.AddTransport(transport.GET{})
		srv.SetParserTokenLimit(o.ParserTokenLimit)
		if o.Rules != nil {
			srv.SetValidationRulesFn(o.Rules)
		}
		served := func(query string) bool {
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?query="+url.QueryEscape(query), nil))
			return w.Code == http.StatusOK && !strings.Contains(w.Body.String(), `"errors"`)
		}
		queries := []string{
			"{ v { id } }", "{ v { nothing } }", "{ v }", "", "#", "{", "fragment F on Query { v { id } }", "{ v { id } } {",
			"{ v { id } } fragment F on Query { v { id } }", "{ v { " + strings.Repeat("id ", limit) + "} }", "{ a: v { id } a: v { n: id } }",
		}
		var want []string
		for _, q := range queries {
			if served(q) { // without a cache
				want = append(want, q)
			}
		}
		cache := gqlgen.QueryCache(plans, schema)
		srv.SetQueryCache(cache)
		var keys []plancache.Key
		for _, q := range queries {
			keys = append(keys, plancache.Key{Query: q})
		}
		n, err := plans.Warm(t.Context(), slices.Values(keys), gqlgen.Build(schema, o))
		if n != len(want) || err == nil {
			t.Errorf("%d of %d were built: %v", n, len(want), err)
		}
		for _, q := range queries {
			if _, ok := cache.Get(t.Context(), q); ok != slices.Contains(want, q) {
				t.Errorf("%+v: %q: cached %v", o, q, ok)
			}
			if got := served(q); got != slices.Contains(want, q) {
				t.Errorf("%+v: %q: served %v", o, q, got)
			}
		}
	}
}

// Nothing is built for a version of the schema that is not the server's.
func TestBuildForAnotherSchema(t *testing.T) {
	first, second := newChanging(generation(1)), newChanging(generation(2))
	plans := newPlans(t, "")
	gqlgen.QueryCache(plans, second)
	n, err := plans.Warm(t.Context(), slices.Values([]plancache.Key{{Query: "{ v { id } }"}}), gqlgen.Build(first, gqlgen.BuildOptions{}))
	if n != 0 || err == nil {
		t.Errorf("%d were built, %v", n, err)
	}
}
