package blocks

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/gqlboost/gqlboost/examples/blog/store"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/pool/reader"
)

const (
	resultBytes = 16 << 20        // of responses that are kept, at most
	busPatience = 2 * time.Second // of a start: without the bus, results are emptied now and then until it is there
)

// cacheFeed has responses that show the feed kept, which all clients see alike, until a post or a
// comment that they show is written, by whichever instance. It returns nil if they are not kept.
func (b Blocks) cacheFeed(s *Server, posts *store.Store) (graphql.HandlerExtension, error) {
	if b.Results == 0 {
		return nil, nil
	}
	if b.Arena {
		return nil, errors.New("-results and -arena exclude each other: a result may be made of a request that has gone")
	}
	o := plancache.ResultsOptions{Bytes: resultBytes, TTL: b.Results}
	if b.Bus != nil {
		o.Invalidator = b.Bus
		s.Sources = append(s.Sources, b.Bus)
		s.heard = func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, busPatience)
			defer cancel()
			return b.Bus.Ready(ctx)
		}
	}
	results, err := plancache.NewResults(o)
	if err != nil {
		return nil, err
	}
	s.Closers = append(s.Closers, func() { results.Close() })
	s.Sources = append(s.Sources, results)
	posts.Shown = show
	committed := posts.Committed
	posts.Committed = func(ctx context.Context, tags ...string) {
		if committed != nil {
			committed(ctx)
		}
		// The commit stands, also for a client that has gone. What cannot be told is told later, and
		// the bus counts it.
		_ = results.Invalidate(context.WithoutCancel(ctx), tags...)
	}
	primary, err := reader.ParseToken("primary")
	return cachedFeed{results, primary}, err
}

// cachedFeed is an extension of gqlgen.
type cachedFeed struct {
	results *plancache.Results
	primary reader.Token
}

var _ graphql.OperationInterceptor = cachedFeed{}

// ExtensionName implements [graphql.HandlerExtension].
func (cachedFeed) ExtensionName() string { return "blog/cachedFeed" }

// Validate implements [graphql.HandlerExtension].
func (cachedFeed) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptOperation answers from the cache.
func (c cachedFeed) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	// Clients that have written read what they have written: the bus may take a moment.
	if !showsFeedAlone(op.Operation) || reader.TokenOf(ctx) != (reader.Token{}) {
		return next(ctx)
	}
	variables, err := json.Marshal(op.Variables)
	if err != nil {
		return next(ctx)
	}
	key := plancache.ResultKey{Query: op.RawQuery, Operation: op.OperationName, Variables: variables}
	answered := false
	return func(ctx context.Context) *graphql.Response {
		if answered {
			return nil
		}
		answered = true
		data, err := c.results.Load(ctx, key, func(ctx context.Context) ([]byte, []string, error) {
			return c.make(ctx, next)
		})
		switch {
		case err == nil:
			return &graphql.Response{Data: data}
		case ctx.Err() != nil:
			return graphql.ErrorResponse(ctx, "%s", ctx.Err())
		}
		return next(ctx)(ctx) // As without a cache: the primary may be down, and replicas answer.
	}
}

// make makes a response and its tags. What a lagging replica answers must not be kept: its
// invalidation has come before.
func (c cachedFeed) make(ctx context.Context, next graphql.OperationHandler) ([]byte, []string, error) {
	shown := new(tags)
	ctx = reader.WithToken(context.WithValue(ctx, tagsKey{}, shown), c.primary)
	response := next(ctx)(ctx)
	if response == nil {
		return nil, nil, ctx.Err()
	}
	if len(response.Errors) > 0 {
		return nil, nil, response.Errors
	}
	return response.Data, shown.all(), nil
}

// showsFeedAlone reports whether an operation asks for nothing else.
func showsFeedAlone(o *ast.OperationDefinition) bool {
	return o.Operation == ast.Query && !slices.ContainsFunc(o.SelectionSet, func(s ast.Selection) bool {
		f, ok := s.(*ast.Field)
		return !ok || f.Name != "feed"
	})
}

// tags are those of a response that is being made.
type tags struct {
	mu   sync.Mutex
	list []string
}

type tagsKey struct{}

// show adds tags to the response that is being made, if it is to be kept.
func show(ctx context.Context, names ...string) {
	if t, ok := ctx.Value(tagsKey{}).(*tags); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.list = append(t.list, names...)
	}
}

func (t *tags) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list
}
