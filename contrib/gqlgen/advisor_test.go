package gqlgen_test

import (
	"context"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/pool/advisor"
)

// What an operation repeats is told, with its name and the field's path.
func TestRecording(t *testing.T) {
	recorder := advisor.NewRecorder(advisor.RecorderOptions{Caller: gqlgen.FieldPath})
	s := handler.New(&graphql.ExecutableSchemaMock{
		SchemaFunc:     func() *ast.Schema { return schema },
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) { return 1, true },
		ExecFunc: func(context.Context) graphql.ResponseHandler {
			return func(ctx context.Context) *graphql.Response {
				list := graphql.WithFieldContext(ctx, &graphql.FieldContext{Field: graphql.CollectedField{Field: &ast.Field{Alias: "posts"}}})
				for i := range 7 {
					item := graphql.WithFieldContext(list, &graphql.FieldContext{Index: &i})
					author := graphql.WithFieldContext(item, &graphql.FieldContext{Field: graphql.CollectedField{Field: &ast.Field{Alias: "author"}}})
					recorder.Observe(author, "select name from users where id = $1", []any{i}, time.Now(), pgconn.CommandTag{}, nil)
				}
				return &graphql.Response{Data: []byte("{}")}
			}
		},
	})
	s.AddTransport(gqlgen.POST(gqlgen.Options{}))
	s.Use(gqlgen.Recording{Recorder: recorder})
	post(`{"query":"query Feed { echo }"}`).send(s)
	post(`{"query":"mutation { echo }"}`).send(s)
	repeats := recorder.Record().Repeats
	if len(repeats) != 2 {
		t.Fatalf("%+v", repeats)
	}
	want := advisor.Repeat{Request: "Feed", SQL: "select name from users where id = $1", Caller: "posts[*].author", Of: 1, Requests: 1, Runs: 7, Most: 7}
	if repeats[0] != want {
		t.Errorf("%+v", repeats[0])
	}
	want.Request = "mutation"
	if repeats[1] != want {
		t.Errorf("%+v", repeats[1])
	}
	if path := gqlgen.FieldPath(t.Context()); path != "" {
		t.Error(path)
	}
}
