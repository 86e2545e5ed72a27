package graphqlgo_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/gqlerrors"
	"github.com/graphql-go/handler"

	"github.com/gqlboost/gqlboost/contrib/graphqlgo"
	"github.com/gqlboost/gqlboost/contrib/internal/host/hosttest"
	"github.com/gqlboost/gqlboost/plancache"
)

// Only what is on a list of trusted documents runs, with a hash and without one.
func TestTrusted(t *testing.T) {
	trusted := plancache.NewTrusted(slices.Values([]string{`{ echo(s: "known") }`}))
	schema, err := graphql.NewSchema(graphql.SchemaConfig{
		Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{
			"echo": {Type: graphql.String, Args: graphql.FieldConfigArgument{"s": {Type: graphql.String}},
				Resolve: func(p graphql.ResolveParams) (any, error) { return p.Args["s"], nil }},
		}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	hosttest.Trusted(t, graphqlgo.New(schema, nil, graphqlgo.Options{MaxBatch: 2, Persisted: trusted}))
}

// A request that ran out of time is not at fault.
func TestDeadline(t *testing.T) {
	schema, err := graphql.NewSchema(graphql.SchemaConfig{
		Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{
			"slow": {Type: graphql.String, Resolve: func(p graphql.ResolveParams) (any, error) {
				<-p.Context.Done()
				return nil, p.Context.Err()
			}},
		}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	hosttest.Deadline(t, graphqlgo.New(schema, nil, graphqlgo.Options{}))

	// One that has run out of time before there is a plan is told nothing of ours.
	plans, err := plancache.New(plancache.Options[*graphqlgo.Plan]{})
	if err != nil {
		t.Fatal(err)
	}
	defer plans.Close()
	hosttest.Deadline(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		graphqlgo.New(schema, plans, graphqlgo.Options{}).ServeHTTP(w, r.WithContext(ctx))
	}))
}

// recording is an extension that says which hooks are called. What its first one puts into the context is
// there in all others.
type recording struct{ told *[]string }

type recordingKey struct{}

func (e recording) say(ctx context.Context, hook string, more ...any) {
	*e.told = append(*e.told, fmt.Sprint(hook, " of ", ctx.Value(recordingKey{}), more))
}

func (e recording) Init(ctx context.Context, p *graphql.Params) context.Context {
	return context.WithValue(ctx, recordingKey{}, p.RequestString)
}
func (recording) Name() string { return "recording" }
func (e recording) ParseDidStart(ctx context.Context) (context.Context, graphql.ParseFinishFunc) {
	e.say(ctx, "parse")
	return ctx, func(err error) { e.say(ctx, "parsed", err) }
}
func (e recording) ValidationDidStart(ctx context.Context) (context.Context, graphql.ValidationFinishFunc) {
	e.say(ctx, "validate")
	return ctx, func(errs []gqlerrors.FormattedError) { e.say(ctx, "validated", len(errs)) }
}
func (e recording) ExecutionDidStart(ctx context.Context) (context.Context, graphql.ExecutionFinishFunc) {
	e.say(ctx, "execute")
	return ctx, func(*graphql.Result) { e.say(ctx, "executed") }
}
func (e recording) ResolveFieldDidStart(
	ctx context.Context, info *graphql.ResolveInfo,
) (context.Context, graphql.ResolveFieldFinishFunc) {
	e.say(ctx, "resolve", info.FieldName)
	return ctx, func(any, error) { e.say(ctx, "resolved") }
}
func (recording) HasResult() bool                   { return true }
func (recording) GetResult(ctx context.Context) any { return ctx.Value(recordingKey{}) }

// Extensions of a schema have all their hooks called, in the contexts that they have made.
func TestExtensions(t *testing.T) {
	schema, told := newSchema(t), []string{}
	schema.AddExtensions(recording{&told})
	plans, err := plancache.New(plancache.Options[*graphqlgo.Plan]{})
	if err != nil {
		t.Fatal(err)
	}
	defer plans.Close()
	for _, query := range []string{"{ echo }", "{ echo }", "{ nothing }", "{", "{ fail }"} {
		var answers []any
		var hooks [][]string
		for _, h := range []http.Handler{
			handler.New(&handler.Config{Schema: &schema}), graphqlgo.New(schema, plans, graphqlgo.Options{}),
		} {
			told = nil
			r := httptest.NewRequest("POST", "/", strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			answers, hooks = append(answers, decoded(w.Body.String())), append(hooks, told)
		}
		if len(hooks[0]) < 2 || !reflect.DeepEqual(hooks[0], hooks[1]) || !reflect.DeepEqual(answers[0], answers[1]) {
			t.Errorf("%s:\ntheirs %q %v\nours   %q %v", query, hooks[0], answers[0], hooks[1], answers[1])
		}
	}
	// graphql-go would follow these fragments until the stack overflows.
	r := httptest.NewRequest("POST", "/", strings.NewReader(
		`{"query":"{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	graphqlgo.New(schema, plans, graphqlgo.Options{}).ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "Cannot spread fragment") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
