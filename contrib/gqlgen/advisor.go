package gqlgen

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/pool/advisor"
)

// Recording makes each operation a request of an advisor's recorder, which then notices
// statements that an operation repeats:
//
//	recorder := advisor.NewRecorder(advisor.RecorderOptions{Caller: gqlgen.FieldPath})
//	srv.Use(gqlgen.Recording{Recorder: recorder})
type Recording struct{ Recorder *advisor.Recorder }

var (
	_ graphql.HandlerExtension    = Recording{}
	_ graphql.ResponseInterceptor = Recording{}
)

// ExtensionName implements [graphql.HandlerExtension].
func (Recording) ExtensionName() string { return "gqlboost/advisor" }

// Validate implements [graphql.HandlerExtension].
func (Recording) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptResponse implements [graphql.ResponseInterceptor]. Operations without a name
// are called by their kind.
func (r Recording) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	name := "operation"
	if graphql.HasOperationContext(ctx) {
		if o := graphql.GetOperationContext(ctx).Operation; o != nil {
			if name = o.Name; name == "" {
				name = string(o.Operation)
			}
		}
	}
	ctx, end := r.Recorder.Request(ctx, name)
	defer end()
	return next(ctx)
}

// FieldPath returns the path of the field whose resolver has the context, "" outside of
// one. It is a Caller for [advisor.RecorderOptions].
func FieldPath(ctx context.Context) string {
	if f := graphql.GetFieldContext(ctx); f != nil {
		return f.Path().String()
	}
	return ""
}
