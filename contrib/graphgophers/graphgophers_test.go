package graphgophers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	graphql "github.com/graph-gophers/graphql-go"

	"github.com/gqlboost/gqlboost/contrib/graphgophers"
	"github.com/gqlboost/gqlboost/contrib/internal/host"
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
	host.Suite(t, h, func(query, name string, variables map[string]any) any {
		return schema.Exec(context.Background(), query, name, variables)
	})
}

// What can be kept of this host is a result that was made: of a query and its variables.
func TestThroughLoad(t *testing.T) {
	schema := graphql.MustParseSchema(`schema { query: Query } type Query { echo(s: String, n: Int): String fail: String panics: String }`, &root{})
	cache, err := plancache.New(plancache.Config[[]byte]{})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	for range 3 {
		data, err := cache.Load(t.Context(), `{ echo(s: "x") }`, func(ctx context.Context) ([]byte, error) {
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
