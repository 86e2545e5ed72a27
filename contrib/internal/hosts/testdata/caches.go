package handler

import (
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/plancache"
)

func boostedQueries(schema graphql.ExecutableSchema) graphql.Cache[*ast.QueryDocument] {
	plans, err := plancache.New(plancache.Options[*ast.QueryDocument]{})
	if err != nil {
		panic(err)
	}
	return gqlgen.QueryCache(plans, schema)
}

func boostedTexts() graphql.Cache[string] {
	texts, err := plancache.NewPersisted(1 << 20)
	if err != nil {
		panic(err)
	}
	return texts
}
