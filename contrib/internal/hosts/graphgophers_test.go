package hosts

import (
	"testing"

	_ "github.com/graph-gophers/graphql-go/relay"

	_ "github.com/gqlboost/gqlboost/contrib/graphgophers"
)

// TestGraphGophers runs the tests of graph-gophers' handler, package relay.
func TestGraphGophers(t *testing.T) {
	m := newModule(t, "github.com/graph-gophers/graphql-go", []edit{
		{"relay/relay.go", "func (h *Handler) ServeHTTP(", "func (h *Handler) replacedServeHTTP("},
	})
	m.add(t, "testdata/graphgophers.go", "relay/gqlboost.go")
	m.test(t, []difference{{
		"relay TestServeHTTP", "got 415",
		"A POST without application/json is refused: browsers send such requests for any site, without asking first (CSRF).",
	}}, "relay")
}
