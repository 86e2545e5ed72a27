package graphqlgo

import (
	"errors"
	"fmt"
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
		if got := !nests(&source.Source{Body: []byte(c.query)}); got != c.deep {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func newTree(t *testing.T) *graphql.Schema {
	t.Helper()
	query := graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{"a": {Type: graphql.String}}})
	query.AddFieldConfig("q", &graphql.Field{Type: query})
	schema, err := graphql.NewSchema(graphql.SchemaConfig{Query: query})
	if err != nil {
		t.Fatal(err)
	}
	return &schema
}

// A body within the default limit must not end the process: a stack overflow is no panic that
// could be recovered.
func TestStackOverflow(t *testing.T) {
	schema := newTree(t)
	const levels = 2_000_000
	for _, query := range []string{
		nested("{a", "}", levels), "{ a(b: " + nested("[", "]", levels) + ") }",
		"{ a(b: " + nested("{c:", "}", levels) + ") }", "query ($v: " + nested("[", "]", levels) + ") { a }",
	} {
		if _, err := plan(schema, query); !errors.Is(err, errTooDeep) {
			t.Errorf("%.20s: %.100v", query, err)
		}
	}
}

// What is parsed is what has been looked through: graphql-go's lexer changes its source where a block string
// has escaped quotes.
func TestEscapedQuotes(t *testing.T) {
	schema := newTree(t)
	if _, err := parse(schema, `{ a(b: """x \""" y""") }`); err != nil {
		t.Error(err)
	}
	// To a second reader of one source the string ends at its begin, and a list that overflows the stack follows.
	// graphql-go takes long for the place of an error in a text of many lines, and longer in a long line.
	lists := strings.Repeat(strings.Repeat("[", 1000)+"\n", 2000)
	if _, err := plan(schema, `{ a(b: ["""\"""" `+lists); err == nil {
		t.Error("no error")
	}
	cycle := `{ a(b: """\"""x""") ...A } fragment A on Query { ...A }`
	if _, err := parse(schema, cycle); !errors.Is(err, errEndless) {
		t.Errorf("a cycle: %v", err)
	}
}

// chain is a query that spreads n fragments in each other, each of which has so many levels.
func chain(n, levels int) string {
	var b strings.Builder
	b.WriteString("{ ...F1 }")
	for i := 1; i <= n; i++ {
		spread := fmt.Sprintf(" ...F%d ", i+1)
		if i == n {
			spread = ""
		}
		fmt.Fprintf(&b, "fragment F%d on Query {a %s%s%s}",
			i, strings.Repeat("q {a ", levels-1), spread, strings.Repeat("}", levels-1))
	}
	return b.String()
}

// Fragments count where they are spread, and may not spread each other: graphql-go's validator would
// follow them forever.
func TestNestingOfFragments(t *testing.T) {
	schema := newTree(t)
	const cycle = "Cannot spread fragment"
	for name, c := range map[string]struct{ query, err string }{
		"two that spread each other":  {"{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", cycle},
		"one that spreads itself":     {"{ ...A } fragment A on Query { a ...A }", cycle},
		"not used":                    {"{ a } fragment A on Query { q { ... on Query { ...A } } }", cycle},
		"in a field":                  {"{ q { ...A } } fragment A on Query { q { ...B } } fragment B on Query { q { ...A } }", cycle},
		"as deep as allowed":          {chain(9, 111), ""},
		"one too many":                {chain(100, 10), "more than 1000 levels"},
		"levels by the ten thousands": {chain(200, 200), "more than 1000 levels"},
		"many, and none is deep":      {strings.Replace(chain(1, 2), "{ ...F1 }", "{"+strings.Repeat(" ...F1", 5000)+" }", 1), ""},
		"two of one name":             {"{ ...A } fragment A on Query { a } fragment A on Query { ...A }", "spread each other"},
		"exponentially many by depth": {"{ ...F1 }" + doubling(40), ""},
		"unknown":                     {"{ ...A }", "Unknown fragment"},
	} {
		_, err := parse(schema, c.query)
		if err == nil && c.err != "" {
			_, err = plan(schema, c.query)
		}
		if err == nil != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// doubling is fragments each of which spreads the next one twice.
func doubling(n int) string {
	var b strings.Builder
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "fragment F%d on Query { b: q { ...F%d } c: q { ...F%d } }", i, i+1, i+1)
	}
	fmt.Fprintf(&b, "fragment F%d on Query { a }", n)
	return b.String()
}
