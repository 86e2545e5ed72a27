package selection_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
)

var schema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	interface Node { id: ID! }
	type Post implements Node { id: ID! title: String! views: Int! score(by: Int): Float author: User }
	type User implements Node { id: ID! name: String! boss: Node }
	type Query { posts: [Post!]! node: Node }
`})

// of returns the selection of a query's first field.
func of(t testing.TB, query string, variables map[string]any) *selection.Selection {
	t.Helper()
	doc, err := gqlparser.LoadQueryWithRules(schema, query, rules.NewDefaultRules())
	if err != nil {
		t.Fatal(err)
	}
	return selection.New(doc, variables, doc.Operations[0].SelectionSet[0].(*ast.Field).SelectionSet)
}

func text(s *selection.Selection) string {
	var parts []string
	for _, f := range s.Fields {
		part := f.Alias
		if f.Alias != f.Name {
			part += ":" + f.Name
		}
		if len(f.Selection.Fields) > 0 {
			part += "{" + text(f.Selection) + "}"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

func TestSelection(t *testing.T) {
	for query, want := range map[string]string{
		`{ posts { id t: title } }`: "id t:title",
		`query($no: Boolean!) { posts { id @skip(if: $no) title @include(if: true) views @skip(if: false) } }`: "title views",
		`{ posts { author { id } ... on Post { author { name } id } ...F } } fragment F on Post { id title }`:  "author{id name} id title",
		`{ node { __typename id ... on Post { title } ... on User { name } } }`:                                "__typename id title name",
	} {
		if got := text(of(t, query, map[string]any{"no": true})); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if s := of(t, `{ posts { id title } }`, nil); !s.Has("views", "title") || s.Has("views") {
		t.Error("Has")
	}
}

func TestKeep(t *testing.T) {
	s, built := of(t, `{ posts { id } }`, nil), 0
	for range 3 {
		if got := selection.Keep(s, "key", func(*selection.Selection) int { built++; return 7 }); got != 7 {
			t.Error(got)
		}
	}
	if built != 1 {
		t.Errorf("built %d times", built)
	}
}

var posts = selection.NewTable(map[string][]string{
	"": {"p.id"}, "id": {"p.id"}, "title": {"p.title"}, "views": {"p.views"}, "author": {"p.author_id", "p.tenant_id"}, "score": {"p.score"},
})

func TestColumns(t *testing.T) {
	for query, want := range map[string][]string{
		`{ posts { __typename } }`:                     {"p.id"},
		`{ posts { title again: title id } }`:          {"p.id", "p.title"},
		`{ posts { views author { name } title } }`:    {"p.author_id", "p.id", "p.tenant_id", "p.title", "p.views"},
		`{ posts { ... on Node { id } ... { views }}}`: {"p.id", "p.views"},
	} {
		if got := of(t, query, nil).Columns(posts); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func TestRows(t *testing.T) {
	for query, want := range map[string]string{
		`{ posts { n: id title __typename } }`:          "p.id, p.title",
		`{ posts { id author { name } } }`:              "-",
		`{ posts { id score(by: 2) } }`:                 "-",
		`{ node { __typename } }`:                       "-",
		`{ node { id ... on Post { title } } }`:         "-",
		`{ posts { id ... on Node { also: id } } }`:     "-",
		`{ posts { score views a: views } }`:            "p.score, p.views, p.views",
		`{ posts { __typename } }`:                      "",
		`{ posts { id ...F } } fragment F on Post {id}`: "p.id",
	} {
		list, shape, ok := of(t, query, nil).Rows(posts)
		if !ok {
			list = "-"
		}
		if list != want || ok != (shape != nil) {
			t.Errorf("%s: %q, want %q", query, list, want)
		}
	}
}

func Example() {
	doc, err := gqlparser.LoadQueryWithRules(schema, `{ posts { id title author { name } } }`, rules.NewDefaultRules())
	if err != nil {
		fmt.Println(err)
		return
	}
	// In a resolver: selection.Of(ctx)
	selected := selection.New(doc, nil, doc.Operations[0].SelectionSet[0].(*ast.Field).SelectionSet)

	table := selection.NewTable(map[string][]string{"id": {"p.id"}, "title": {"p.title"}, "body": {"p.body"}, "author": {"p.author_id"}})
	fmt.Println("select " + strings.Join(selected.Columns(table), ", ") + " from posts p")
	// Output: select p.author_id, p.id, p.title from posts p
}

// TestMergedFragments has fragments that merge into other selections at each level: there are
// 2^40 of them.
func TestMergedFragments(t *testing.T) {
	query := `{ node { ...F0 } }`
	for i := range 40 {
		query += fmt.Sprintf(" fragment F%d on User { a: boss { ...F%d } b: boss { ...F%[2]d ...G0 } }", i, i+1)
		query += fmt.Sprintf(" fragment G%d on User { a: boss { ...G%d } b: boss { ...G%[2]d } }", i, i+1)
	}
	s := of(t, query+` fragment F40 on User { name } fragment G40 on User { name }`, nil)
	for range 40 {
		s = s.Fields[1].Selection
	}
	if !s.Has("name") {
		t.Error(text(s))
	}
}

// TestSharedFragments has fragments that select more fields than there is memory for.
func TestSharedFragments(t *testing.T) {
	query := `{ node { ...F0 } }`
	for i := range 60 {
		query += fmt.Sprintf(" fragment F%d on Node { ...F%d ... on User { id a: boss { ...F%[2]d } b: boss { ...F%[2]d } } }", i, i+1)
	}
	s := of(t, query+` fragment F60 on Node { id }`, nil)
	for depth := range 60 {
		if len(s.Fields) != 4 { // id of each type, a and b
			t.Fatalf("%d fields at depth %d", len(s.Fields), depth)
		}
		s = s.Fields[2].Selection
	}
}
