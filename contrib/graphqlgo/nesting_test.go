package graphqlgo_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/contrib/graphqlgo"
)

// A body within the default limit must not end the process: a stack overflow is no panic that
// could be recovered.
func TestNesting(t *testing.T) {
	h := graphqlgo.New(newSchema(t), nil, graphqlgo.Options{})
	nested := func(open, closed string, n int) string { return strings.Repeat(open, n) + strings.Repeat(closed, n) }
	for name, c := range map[string]struct {
		query string
		deep  bool
	}{
		"selections":         {nested("{a", "}", 2_000_000), true},
		"lists":              {"{ echo(s: " + nested("[", "]", 2_000_000) + ") }", true},
		"objects":            {"{ echo(s: " + nested("{a:", "}", 2_000_000) + ") }", true},
		"types":              {"query Q($v: " + nested("[", "]", 2_000_000) + ") { echo }", true},
		"one too many":       {nested("{a", "}", 1001), true},
		"as deep as allowed": {"{ echo(s: " + nested("[", "]", 998) + ") }", false},
		"in a string":        {`{ echo(s: "` + nested("{", "}", 2000) + `") }`, false},
		"in a comment":       {"#" + nested("{", "}", 2000) + "\n{ echo }", false},
		"side by side":       {"{ echo " + strings.Repeat("e: echo(s: [[[[[1]]]]]) ", 300) + "}", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest("POST", "/", strings.NewReader(`{"query":`+quoted(c.query)+`}`))
			r.Header.Set("Content-Type", "application/json")
			h.ServeHTTP(w, r)
			if got := strings.Contains(w.Body.String(), "nests more than 1000 levels"); got != c.deep {
				t.Errorf("%d %.300s", w.Code, w.Body)
			}
		})
	}
}

// quoted is JSON of a text without control characters.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
