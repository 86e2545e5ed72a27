package transport

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gqlboost/gqlboost/contrib/gqlgen"
)

func (t MultipartMixed) boosted() graphql.Transport { return gqlgen.Incremental(gqlgen.Options{}) }

func (t MultipartMixed) Supports(r *http.Request) bool { return t.boosted().Supports(r) }

func (t MultipartMixed) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	t.boosted().Do(w, r, exec)
}
