package load

// Example is an example server as comparisons run it.
type Example struct {
	Name, Server string // in reports, and of the command
	Args         []string
}

// Examples are the servers that the demo compares: the baseline first.
var Examples = []Example{
	{"baseline", "blog", nil},
	{"tuned", "blog", []string{"-tuned"}},
	{"boosted", "blog", []string{"-boosted"}},
	{"compiled", "blog", []string{"-boosted", "-compiled", "-same-memory"}},
	{"batched", "blog", []string{"-boosted", "-compiled", "-batch", "-same-memory"}},
	{"direct", "direct", nil},
}
