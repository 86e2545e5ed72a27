package graphqlgo

import (
	"fmt"

	"github.com/graphql-go/graphql/gqlerrors"
	"github.com/graphql-go/graphql/language/lexer"
	"github.com/graphql-go/graphql/language/source"
)

// maxNesting is how deep selections, values and types may nest: as deep as for gqlparser.
const maxNesting = 1000

var tooDeep = fmt.Sprintf("The query nests more than %d levels deep.", maxNesting)

// checkNesting returns errors for a query that nests too deeply. graphql-go's parser and
// validator call themselves for each level, so that a body of a few megabytes would overflow
// the stack, which ends the process.
func checkNesting(text *source.Source) gqlerrors.FormattedErrors {
	next, depth := lexer.Lex(text), 0
	for {
		token, err := next(0)
		if err != nil { // The parser reports it, with the errors before it.
			return nil
		}
		switch token.Kind {
		case lexer.EOF:
			return nil
		case lexer.BRACE_L, lexer.BRACKET_L, lexer.PAREN_L:
			if depth++; depth > maxNesting {
				// Without a place: graphql-go takes seconds to find the line in a large text.
				return gqlerrors.FormattedErrors{gqlerrors.NewFormattedError(tooDeep)}
			}
		case lexer.BRACE_R, lexer.BRACKET_R, lexer.PAREN_R:
			depth--
		}
	}
}
