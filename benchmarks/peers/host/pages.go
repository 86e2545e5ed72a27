package host

import (
	"errors"
	"fmt"
	"strings"
)

// The largest pages, as the blog has them.
const (
	MaxPage   = 100     // of a list inside a request
	MaxExport = 100_000 // of Query.comments
)

// Within refuses a page that is too large.
func Within(first, limit int) error {
	if first < 0 || first > limit {
		return fmt.Errorf("first must be between 0 and %d, not %d", limit, first)
	}
	return nil
}

// Filled refuses a text that must not be empty.
func Filled(name, text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New(name + " must not be empty")
	}
	return nil
}
