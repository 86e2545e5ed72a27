package relay

import (
	"net/http"

	"github.com/gqlboost/gqlboost/contrib/graphgophers"
)

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	graphgophers.New(h.Schema, graphgophers.Options{}).ServeHTTP(w, r)
}
