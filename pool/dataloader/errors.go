package dataloader

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	// ErrNotFound is returned for a key for which fetch returned neither a value nor an
	// error. The loader keeps it until Clear, like a value.
	ErrNotFound = errors.New("dataloader: not found")
	// ErrCycle is returned to a fetch that loads a key which itself waits for this fetch,
	// directly or through other fetches. Without it both would wait forever.
	ErrCycle = errors.New("dataloader: fetch loads a key that waits for this fetch")

	errNoContext = errors.New("dataloader: the context is nil")

	errGoexit = errors.New("dataloader: fetch called runtime.Goexit")
)

// KeyErrors holds the errors of keys that failed. A fetch returns it as its error, together
// with the values of the other keys:
//
//	failed := dataloader.KeyErrors[int]{}
//	...
//	failed[key] = err
//	...
//	return values, failed
//
// Load of a key in the map returns the key's error, even if the key also has a value. Other
// keys are not affected: they get their value or [ErrNotFound]. An empty or nil KeyErrors
// means that no key failed, so a fetch may always return one. A fetch may wrap it (%w) and
// may join several (errors.Join). If it is joined with another error, the keys that are not
// in the map and have no value get the joined error.
//
// K must be the key type of the Loader.
type KeyErrors[K comparable] map[K]error

// shownKeys is how many keys the error message names.
const shownKeys = 3

// Error implements error. It names the first keys only.
func (e KeyErrors[K]) Error() string {
	lines := make([]string, 0, len(e))
	for key, err := range e {
		lines = append(lines, fmt.Sprintf("%v: %v", key, err))
	}
	slices.Sort(lines)
	more := ""
	if len(lines) > shownKeys {
		lines, more = lines[:shownKeys], ", ..."
	}
	return fmt.Sprintf("dataloader: %d keys failed: %s%s", len(e), strings.Join(lines, ", "), more)
}

// Unwrap returns the errors of the keys in no particular order.
func (e KeyErrors[K]) Unwrap() []error {
	list := make([]error, 0, len(e))
	for _, err := range e {
		if err != nil {
			list = append(list, err)
		}
	}
	return list
}

// splitError splits the error of a fetch into the errors of single keys and the error of all
// other keys without a value.
func splitError[K comparable](err error) (failed KeyErrors[K], others error) {
	if err == nil {
		return nil, nil
	}
	failed = KeyErrors[K]{}
	if !failed.collect(err) {
		others = err
	}
	return failed, others
}

// collect adds the KeyErrors in the tree of err, and reports whether the tree contains no
// other error.
func (e KeyErrors[K]) collect(err error) (all bool) {
	switch err := err.(type) { //nolint:errorlint // It walks the tree itself.
	case nil:
		return true
	case KeyErrors[K]:
		for key, one := range err {
			if one != nil && e[key] == nil {
				e[key] = one
			}
		}
		return true
	case interface{ Unwrap() error }:
		inner := err.Unwrap()
		return inner != nil && e.collect(inner)
	case interface{ Unwrap() []error }:
		list := err.Unwrap()
		all = len(list) > 0
		for _, one := range list {
			all = e.collect(one) && all
		}
		return all
	default:
		return false
	}
}

// PanicError is a panic of fetch. All waiters of the batch receive it.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that fetched
}

// Error implements error. It contains the value but not the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("dataloader: fetch panicked: %v", e.Value) }

// Unwrap returns the value if it is an error, and nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
