// Package normalize has tests only: it compares what plancache.Normalize makes of queries
// with how the parsers of hosts read them.
package normalize
