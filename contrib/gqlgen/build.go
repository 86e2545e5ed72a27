package gqlgen

import (
	"context"
	"errors"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/gqlboost/gqlboost/plancache"
)

// BuildOptions are what a server's executor refuses queries by. They must be the server's own:
// what is built here is served without another look.
type BuildOptions struct {
	// ParserTokenLimit is that of SetParserTokenLimit. 0 is no limit.
	ParserTokenLimit int
	// Rules is that of SetValidationRulesFn. nil is the rules of the specification.
	Rules func() *rules.Rules
}

// Build returns what builds the documents of a server with a schema, as its executor does:
//
//	plans.WarmShared(ctx, plancache.WarmOptions{}, gqlgen.Build(schema, gqlgen.BuildOptions{}))
//
// It is for Warm and WarmShared of the plans that [QueryCache] was called with before. What it
// returns is safe for concurrent use, refuses to build for any other version of the schema, and
// keeps the schema as it is now.
func Build(
	schema graphql.ExecutableSchema, o BuildOptions,
) func(context.Context, plancache.Key) (*ast.QueryDocument, error) {
	source := schema.Schema()
	version := versionOf(source)
	if o.Rules == nil {
		o.Rules = rules.NewDefaultRules
	}
	return func(ctx context.Context, key plancache.Key) (*ast.QueryDocument, error) {
		if wanted := plancache.SchemaVersion(ctx); wanted != version {
			return nil, fmt.Errorf("gqlgen: a document for version %q of the schema, and the server's is %q", wanted, version)
		}
		doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: key.Query}, o.ParserTokenLimit)
		if err != nil {
			return nil, err
		}
		if len(doc.Operations) == 0 {
			return nil, errors.New("gqlgen: no operation provided")
		}
		if errs := validator.ValidateWithRules(source, doc, o.Rules()); len(errs) > 0 {
			return nil, errs
		}
		return doc, nil
	}
}
