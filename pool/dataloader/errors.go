package dataloader

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	// ErrNotFound is returned for a key for which fetch has returned neither a value nor
	// an error. Like a value it stays known, until Clear.
	ErrNotFound = errors.New("dataloader: not found")
	// ErrCycle is returned to a fetch that loads, with its own context, a key that waits
	// for this same fetch, directly or through other fetches: both would wait for ever.
	ErrCycle = errors.New("dataloader: the key waits for the fetch that loads it")

	errGoexit = errors.New("dataloader: fetch called runtime.Goexit")
)

// KeyErrors says which keys failed. A fetch returns it as its error, beside the values of
// the other keys:
//
//	failed := dataloader.KeyErrors[int]{}
//	...
//	failed[key] = err
//	...
//	return values, failed
//
// Load of a key in it returns that error, whether the key has a value or not. Any other key
// is unaffected: it has its value, or [ErrNotFound]. A KeyErrors that is empty, even nil, is
// no error at all, so a fetch may return it in any case. It may be wrapped (%w), and several
// may be joined (errors.Join). Where it is joined with an error of another type, the whole is
// the error of keys that have no value and are not in it.
//
// The type of the key must be that of the Loader.
type KeyErrors[K comparable] map[K]error

// shownKeys is how many of its keys a KeyErrors names.
const shownKeys = 3

// Error implements error. It names a few of the keys.
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

// Unwrap returns the errors of the keys, in no order.
func (e KeyErrors[K]) Unwrap() []error {
	list := make([]error, 0, len(e))
	for _, err := range e {
		if err != nil {
			list = append(list, err)
		}
	}
	return list
}

// splitError takes the error of a fetch apart: errors of single keys, and the error of the other
// keys that have no value.
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

// collect adds the errors of keys that err consists of or wraps, and reports whether there
// is nothing else to it.
func (e KeyErrors[K]) collect(err error) (all bool) {
	switch err := err.(type) {
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

// PanicError is a panic of fetch. All who waited for its keys get it.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that fetched
}

// Error implements error. It has the value, not the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("dataloader: fetch panicked: %v", e.Value) }

// Unwrap returns the value of the panic if it is an error, nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
