package graphqlgo_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/graphql-go/graphql"

	"github.com/gqlboost/gqlboost/contrib/graphqlgo"
	"github.com/gqlboost/gqlboost/contrib/internal/host"
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
	plans, err := plancache.New(plancache.Config[*graphqlgo.Plan]{})
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
	host.Suite(t, graphqlgo.New(schema, plans, graphqlgo.Options{MaxBatch: 2, Persisted: persisted}), theirs)
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
