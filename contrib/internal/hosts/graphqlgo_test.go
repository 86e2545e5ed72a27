package hosts

import (
	"testing"

	_ "github.com/graphql-go/handler"

	_ "github.com/gqlboost/gqlboost/contrib/graphqlgo"
)

// TestGraphqlGo runs the tests of graphql-go/handler.
func TestGraphqlGo(t *testing.T) {
	m := newModule(t, "github.com/graphql-go/handler", []edit{
		{"handler.go", "func (h *Handler) ContextHandler(", "func (h *Handler) replacedContextHandler("},
	})
	m.add(t, "testdata/graphqlgo.go", "gqlboost.go")
	m.test(t, nil, "")
}
