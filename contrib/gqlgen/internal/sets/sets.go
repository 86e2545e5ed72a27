// Package sets tells selection sets of a document from each other.
package sets

import "github.com/vektah/gqlparser/v2/ast"

// Numbers are those of selection sets: sets of the same selections in the same order have the same.
// Fields that are merged have the selections of all of them, so a set is no address.
type Numbers map[link]int

// link is a set without its last selection, and that one.
type link struct {
	set  int
	last ast.Selection
}

// Of returns the number of a set, 0 if it is empty.
func (n Numbers) Of(set ast.SelectionSet) int {
	number := 0
	for _, s := range set {
		key := link{number, s}
		next, known := n[key]
		if !known {
			next = len(n) + 1
			n[key] = next
		}
		number = next
	}
	return number
}
