package compiled

import "github.com/99designs/gqlgen/graphql"

// LimitWorkers sets the worker_limit of a schema.
func LimitWorkers(s graphql.ExecutableSchema, n int64) { s.(*Executable).WorkerLimit = n }

// OnContext has a function called when a schema makes its own context: for each compilation, and for each run.
func OnContext(s graphql.ExecutableSchema, f func()) {
	x := s.(*Executable)
	own := x.NewContext
	x.NewContext = func(op *graphql.OperationContext) any { f(); return own(op) }
}

// SendEach makes a schema send after each n bytes.
func SendEach(s graphql.ExecutableSchema, n int) {
	s.(*Executable).limits = limits{held: n, piece: n}
}
