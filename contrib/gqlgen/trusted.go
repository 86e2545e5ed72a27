package gqlgen

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/internal/request"
	"github.com/gqlboost/gqlboost/plancache"
)

// Trusted refuses all operations that are not on a list, over all transports:
//
//	srv.Use(gqlgen.Trusted{Documents: plancache.NewTrusted(texts)})
//
// Clients send the text, or its hash as automatic persisted queries do it. It takes the place
// of extension.AutomaticPersistedQuery, which runs what comes without a hash. It is safe for
// concurrent use.
type Trusted struct{ Documents *plancache.Persisted }

var (
	_ graphql.HandlerExtension          = Trusted{}
	_ graphql.OperationParameterMutator = Trusted{}
)

// ExtensionName implements [graphql.HandlerExtension].
func (Trusted) ExtensionName() string { return "gqlboost/trusted" }

// Validate implements [graphql.HandlerExtension].
func (t Trusted) Validate(graphql.ExecutableSchema) error {
	if t.Documents == nil || !t.Documents.Trusted() {
		return errors.New("gqlgen: Trusted.Documents must come from plancache.NewTrusted")
	}
	return nil
}

// MutateOperationParameters implements [graphql.OperationParameterMutator].
func (t Trusted) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	hash := ""
	if persisted, ok := params.Extensions["persistedQuery"].(map[string]any); ok {
		hash, _ = persisted["sha256Hash"].(string)
	}
	text, err := t.Documents.Resolve(ctx, hash, params.Query)
	if err == nil {
		params.Query = text
		return nil
	}
	refused := gqlerror.Wrap(err)
	errcode.Set(refused, request.NotAllowedCode(params.Query))
	return refused
}
