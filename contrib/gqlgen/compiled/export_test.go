package compiled

import "github.com/99designs/gqlgen/graphql"

// LimitWorkers sets the worker_limit of a schema.
func LimitWorkers(s graphql.ExecutableSchema, n int64) { s.(*Executable).WorkerLimit = n }

// SendEach makes a schema send after each n bytes.
func SendEach(s graphql.ExecutableSchema, n int) {
	s.(*Executable).limits = limits{held: n, piece: n}
}
