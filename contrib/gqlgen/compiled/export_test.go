package compiled

import "github.com/99designs/gqlgen/graphql"

// SendEach makes a schema send after each n bytes.
func SendEach(s graphql.ExecutableSchema, n int) {
	s.(*Executable).limits = limits{held: n, piece: n}
}
