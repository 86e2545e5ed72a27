package handler

import (
	"context"
	"net/http"

	"github.com/gqlboost/gqlboost/contrib/graphqlgo"
)

func (h *Handler) ContextHandler(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	o := graphqlgo.Options{
		Pretty: h.pretty, RootObjectFn: h.rootObjectFn, ResultCallbackFn: h.resultCallbackFn, FormatErrorFn: h.formatErrorFn,
	}
	if h.graphiql || h.playground {
		o.Browser = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.replacedContextHandler(r.Context(), w, r)
		})
	}
	graphqlgo.New(*h.Schema, nil, o).ServeHTTP(w, r.WithContext(ctx))
}
