package graphqlgo

import (
	"errors"
	"fmt"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/gqlerrors"
	"github.com/graphql-go/graphql/language/ast"
	"github.com/graphql-go/graphql/language/lexer"
	"github.com/graphql-go/graphql/language/source"
)

// maxNesting is how deep selections, values and types may nest, those of fragments where they are
// spread: as deep as for gqlparser.
const maxNesting = 1000

var (
	// errEndless is of a query that must not get to graphql-go's validator, which calls itself for each
	// level and follows fragments that spread each other forever: the stack would overflow, which
	// ends the process.
	errEndless = errors.New("graphqlgo: the query nests too deeply or without an end")
	// errTooDeep has no place: graphql-go takes seconds to find the line in a large text.
	errTooDeep = endless(fmt.Sprintf("The query nests more than %d levels deep.", maxNesting))
	errCyclic  = endless("The query has fragments that spread each other.")
)

func endless(message string) *invalid {
	return &invalid{gqlerrors.FormattedErrors{gqlerrors.NewFormattedError(message)}, errEndless}
}

// nests reports whether the brackets of a text nest as deep as they may at most.
func nests(text *source.Source) bool {
	next, depth := lexer.Lex(text), 0
	for {
		token, err := next(0)
		if err != nil { // The parser reports it, with the errors before it.
			return true
		}
		switch token.Kind {
		case lexer.EOF:
			return true
		case lexer.BRACE_L, lexer.BRACKET_L, lexer.PAREN_L:
			if depth++; depth > maxNesting {
				return false
			}
		case lexer.BRACE_R, lexer.BRACKET_R, lexer.PAREN_R:
			depth--
		}
	}
}

// checkFragments returns an error if a document nests too deeply with its fragments in it, or if
// fragments spread each other.
func checkFragments(schema *graphql.Schema, document *ast.Document) error {
	e := expansion{fragments: map[string]*ast.SelectionSet{}, depths: map[string]int{}}
	var roots []*ast.SelectionSet
	for _, d := range document.Definitions {
		switch d := d.(type) {
		case *ast.OperationDefinition:
			roots = append(roots, d.SelectionSet)
		case *ast.FragmentDefinition:
			e.fragments[d.Name.Value] = d.SelectionSet
			roots = append(roots, d.SelectionSet)
		}
	}
	for _, root := range roots {
		e.depth(root, 1)
	}
	switch {
	case e.deep:
		return errTooDeep
	case e.cyclic:
		v := graphql.ValidateDocument(schema, document, []graphql.ValidationRuleFn{graphql.NoFragmentCyclesRule})
		if v.IsValid { // It may look at another one of two fragments with one name.
			return errCyclic
		}
		return &invalid{v.Errors, errEndless}
	}
	return nil
}

// expansion finds how deep selections are with fragments in the places where they are spread.
type expansion struct {
	fragments    map[string]*ast.SelectionSet
	depths       map[string]int // 0 while a fragment is looked at
	deep, cyclic bool
}

// depth returns how many levels a set has, which is on a level itself.
func (e *expansion) depth(set *ast.SelectionSet, level int) (levels int) {
	if set == nil {
		return 0
	}
	if e.deep = e.deep || level > maxNesting; e.deep {
		return 0
	}
	for _, s := range set.Selections {
		inner := 0
		switch s := s.(type) {
		case *ast.Field:
			inner = e.depth(s.SelectionSet, level+1)
		case *ast.InlineFragment:
			inner = e.depth(s.SelectionSet, level+1)
		case *ast.FragmentSpread:
			inner = e.spread(s.Name.Value, level+1)
		}
		levels = max(levels, inner)
	}
	return levels + 1
}

// spread returns how many levels a fragment has.
func (e *expansion) spread(name string, level int) int {
	levels, known := e.depths[name]
	switch {
	case !known:
		e.depths[name] = 0
		levels = e.depth(e.fragments[name], level)
		e.depths[name] = levels
	case levels == 0 && e.fragments[name] != nil:
		e.cyclic = true
	}
	e.deep = e.deep || level+levels-1 > maxNesting
	return levels
}
