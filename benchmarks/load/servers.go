package load

import "slices"

// Example is an example server as comparisons run it.
type Example struct {
	Name, Server string // in reports, and of the command
	Args         []string
	About        string // what it is, for readers who have not seen it
}

// Examples are the servers that the demo compares: the baseline first.
var Examples = []Example{
	{"baseline", "blog", nil, "a blog's API as a good gqlgen team would write it: pgx, data loaders, a cache of queries"},
	{"tuned", "blog", []string{"-tuned"}, "the same with what a team can do with gqlgen alone: batch resolvers, GOGC=400"},
	{"boosted", "blog", []string{"-boosted"}, "the baseline with all of gqlboost's blocks in it, and gqlgen's executor"},
	{"compiled", "blog", []string{"-boosted", "-compiled", "-same-memory"},
		"boosted, with gqlgen's executor replaced, in no more memory than the baseline"},
	{"batched", "blog", []string{"-boosted", "-compiled", "-batch", "-same-memory"}, "compiled, with batch resolvers"},
	{"direct", "direct", nil, "the same API by the blocks alone, without a framework"},
}

// ExamplesIn returns the examples that a report has results of, in their order.
func ExamplesIn(r *Report) []Example {
	return slices.DeleteFunc(slices.Clone(Examples), func(e Example) bool {
		return !slices.ContainsFunc(r.Results, func(s *Result) bool { return s.Server == e.Name })
	})
}
