package graphqlgo

import (
	"strings"
	"testing"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/source"
)

func nested(open, closed string, n int) string {
	return strings.Repeat(open, n) + strings.Repeat(closed, n)
}

func TestNesting(t *testing.T) {
	for name, c := range map[string]struct {
		query string
		deep  bool
	}{
		"one too many":       {nested("{a", "}", 1001), true},
		"as deep as allowed": {nested("{a", "}", 1000), false},
		"mixed":              {"{ a(b: " + nested("[{c:", "}]", 500) + ") }", true},
		"in a string":        {`{ a(b: "` + nested("{", "}", 2000) + `") }`, false},
		"in a comment":       {"#" + nested("{", "}", 2000) + "\n{ a }", false},
		"side by side":       {"{ a " + strings.Repeat("b(c: [1]) {d} ", 2000) + "}", false},
		"no GraphQL":         {strings.Repeat("{", 500) + "\x00", false},
	} {
		if got := checkNesting(&source.Source{Body: []byte(c.query)}) != nil; got != c.deep {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A body within the default limit must not end the process: a stack overflow is no panic that
// could be recovered.
func TestStackOverflow(t *testing.T) {
	schema, err := graphql.NewSchema(graphql.SchemaConfig{Query: graphql.NewObject(graphql.ObjectConfig{
		Name: "Query", Fields: graphql.Fields{"a": {Type: graphql.String}},
	})})
	if err != nil {
		t.Fatal(err)
	}
	const levels = 2_000_000
	for _, query := range []string{
		nested("{a", "}", levels), "{ a(b: " + nested("[", "]", levels) + ") }",
		"{ a(b: " + nested("{c:", "}", levels) + ") }", "query ($v: " + nested("[", "]", levels) + ") { a }",
	} {
		if _, err := plan(&schema, query); err == nil || err.Error() != tooDeep {
			t.Errorf("%.20s: %.100v", query, err)
		}
	}
}
