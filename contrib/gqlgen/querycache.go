package gqlgen

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"

	"github.com/gqlboost/gqlboost/plancache"
)

// QueryCache returns plans as the query cache of a server with a schema:
//
//	srv := handler.New(schema)
//	srv.SetQueryCache(gqlgen.QueryCache(plans, schema))
//
// It changes plans to the schema's version, see [SchemaVersion], unless it is for that
// already. From then on, no server gets a document that was validated by another schema,
// and what another server validates for another schema is not cached. So to change the
// schema while requests are served, make a second server with the same plans, and then
// give it the requests. A schema whose Schema method returns another one than before
// changes plans as well.
//
// gqlgen itself parses and validates what is not in the cache, and does not wait for others: a
// query that many clients send at the same time for the first time is parsed as many times, and
// the last document stays. Warm and WarmShared with [Build] parse it beforehand.
//
// The cache is safe for concurrent use.
func QueryCache(
	plans *plancache.Cache[*ast.QueryDocument], schema graphql.ExecutableSchema,
) graphql.Cache[*ast.QueryDocument] {
	c := &queryCache{plans: plans, source: schema}
	c.version(schema.Schema())
	return c
}

// SchemaVersion returns a schema's version for plancache, the same in all processes that
// have that schema. As plancache.Options.Schema it lets Restore run before [QueryCache].
func SchemaVersion(schema graphql.ExecutableSchema) string { return versionOf(schema.Schema()) }

func versionOf(schema *ast.Schema) string {
	var text strings.Builder
	formatter.NewFormatter(&text).FormatSchema(schema)
	return plancache.HashSchema(text.String())
}

type queryCache struct {
	plans  *plancache.Cache[*ast.QueryDocument]
	source graphql.ExecutableSchema

	mu    sync.Mutex // Only one changes the schema.
	known atomic.Pointer[knownSchema]
}

// knownSchema is the schema that the cache was changed to last.
type knownSchema struct {
	schema  *ast.Schema
	version string
}

// Get implements [graphql.Cache].
func (c *queryCache) Get(ctx context.Context, query string) (*ast.QueryDocument, bool) {
	doc, ok := c.plans.Get(ctx, plancache.Key{Query: query})
	if !ok || !validatedBy(c.source.Schema(), doc) {
		return nil, false
	}
	return doc, true
}

// Add implements [graphql.Cache].
func (c *queryCache) Add(ctx context.Context, query string, doc *ast.QueryDocument) {
	schema := c.source.Schema()
	if !validatedBy(schema, doc) {
		return
	}
	if version, ok := c.version(schema); ok {
		c.plans.Add(plancache.WithSchema(ctx, version), plancache.Key{Query: query}, doc)
	}
}

// version returns the version of a schema, having changed the plans to it if it is new,
// or false if the source has another one meanwhile.
func (c *queryCache) version(schema *ast.Schema) (string, bool) {
	if k := c.known.Load(); k != nil && k.schema == schema {
		return k.version, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.source.Schema() != schema {
		return "", false
	}
	k := c.known.Load()
	if k == nil || k.schema != schema {
		k = &knownSchema{schema, versionOf(schema)}
		if c.plans.Schema() != k.version {
			// Its only error is that of a context that has ended.
			_ = c.plans.SetSchema(context.Background(), k.version, plancache.Switch[*ast.QueryDocument]{})
		}
		c.known.Store(k)
	}
	return k.version, true
}

// validatedBy reports whether a document was validated by a schema. The validator links
// it to the schema's definitions, from the operations' root types on.
func validatedBy(schema *ast.Schema, doc *ast.QueryDocument) bool {
	if doc == nil || len(doc.Operations) == 0 || len(doc.Operations[0].SelectionSet) == 0 {
		return false
	}
	root := schema.Query
	switch doc.Operations[0].Operation {
	case ast.Mutation:
		root = schema.Mutation
	case ast.Subscription:
		root = schema.Subscription
	}
	var linked *ast.Definition
	switch s := doc.Operations[0].SelectionSet[0].(type) {
	case *ast.Field:
		linked = s.ObjectDefinition
	case *ast.InlineFragment:
		linked = s.ObjectDefinition
	case *ast.FragmentSpread:
		linked = s.ObjectDefinition
	}
	return linked != nil && linked == root
}
