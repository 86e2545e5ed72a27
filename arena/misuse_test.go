package arena

import (
	"errors"
	"testing"
)

// A negative budget is reported, and nothing governs.
func TestNegativeBudget(t *testing.T) {
	before := readRuntime().gogc
	errs := make(chan error, 1)
	stop := TuneGC(GCOptions{Budget: -1, OnError: func(err error) { errs <- err }})
	defer stop()
	if err := <-errs; !errors.Is(err, ErrBudget) {
		t.Errorf("got %v", err)
	}
	if after := readRuntime().gogc; after != before || governing.current.Load() != nil {
		t.Errorf("GOGC was %d and is %d", before, after)
	}
}
