package transport

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gqlboost/gqlboost/contrib/gqlgen"
)

func (h POST) boosted() graphql.Transport {
	return gqlgen.POST(gqlgen.Options{
		ResponseHeaders: h.ResponseHeaders, GraphQLResponse: h.UseGrapQLResponseJsonByDefault,
	})
}

func (h POST) Supports(r *http.Request) bool { return h.boosted().Supports(r) }

func (h POST) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	h.boosted().Do(w, r, exec)
}

func (h GET) boosted() graphql.Transport {
	return gqlgen.GET(gqlgen.Options{
		ResponseHeaders: h.ResponseHeaders, GraphQLResponse: h.UseGrapQLResponseJsonByDefault,
	})
}

func (h GET) Supports(r *http.Request) bool { return h.boosted().Supports(r) }

func (h GET) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	h.boosted().Do(w, r, exec)
}
