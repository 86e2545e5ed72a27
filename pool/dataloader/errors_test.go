package dataloader_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/pool/dataloader"
	"go.uber.org/goleak"
)

var errBroken = errors.New("broken")

func TestKeyErrors(t *testing.T) {
	for err, want := range map[error]string{
		&dataloader.PanicError{Value: "on purpose"}: "dataloader: fetch panicked: on purpose",
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	failed := dataloader.KeyErrors[int]{3: errBroken, 1: context.Canceled, 2: nil, 4: errBroken}
	if got, want := failed.Error(), "dataloader: 4 keys failed: 1: context canceled, 2: <nil>, 3: broken, ..."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(failed, errBroken) || !errors.Is(failed, context.Canceled) || errors.Is(failed, dataloader.ErrNotFound) {
		t.Error("errors.Is does not find what is in it")
	}
	if err := (&dataloader.PanicError{Value: errBroken, Stack: nil}); !errors.Is(err, errBroken) || errors.Is(err, context.Canceled) {
		t.Error("errors.Is does not find the panic's value")
	}
}

// hostile panics when it is looked into.
type hostile struct{}

func (hostile) Error() string { return "hostile" }
func (hostile) Unwrap() error { panic("on purpose") }

// What a fetch returns is one of each key's value, its own error, the error of the fetch, and
// ErrNotFound.
func TestErrorsOfKeys(t *testing.T) {
	type values = map[int]int
	type failed = dataloader.KeyErrors[int]
	own := errors.New("of key 2")
	var none failed
	var panicked *dataloader.PanicError
	for name, c := range map[string]struct {
		values values
		err    error
		want   [3]error // of the keys 1, 2 and 3; nil where there is a value
	}{
		"values beside an error":      {values{1: 1, 3: 3}, errBroken, [3]error{nil, errBroken, nil}},
		"an error of a key":           {values{1: 1}, failed{2: own}, [3]error{nil, own, dataloader.ErrNotFound}},
		"a value of a key that fails": {values{1: 1, 2: 2, 3: 3}, failed{2: own}, [3]error{nil, own, nil}},
		"wrapped":                     {values{1: 1}, fmt.Errorf("a: %w", fmt.Errorf("b: %w", failed{2: own})), [3]error{nil, own, dataloader.ErrNotFound}},
		"two, joined":                 {values{1: 1}, errors.Join(failed{2: own}, failed{3: errBroken, 2: errBroken}), [3]error{nil, own, errBroken}},
		"beside another error":        {values{1: 1}, errors.Join(failed{2: own}, errBroken), [3]error{nil, own, errBroken}},
		"under another error":         {values{1: 1}, fmt.Errorf("%w: %w", errBroken, failed{2: own}), [3]error{nil, own, errBroken}},
		"of another type of key":      {values{1: 1}, dataloader.KeyErrors[string]{"2": own}, [3]error{nil, own, own}},
		"empty":                       {values{1: 1, 2: 2}, failed{}, [3]error{nil, nil, dataloader.ErrNotFound}},
		"nil":                         {values{1: 1, 2: 2}, none, [3]error{nil, nil, dataloader.ErrNotFound}},
		"nil of a key":                {values{1: 1}, failed{2: nil}, [3]error{nil, dataloader.ErrNotFound, dataloader.ErrNotFound}},
	} {
		l := dataloader.New(func(context.Context, []int) (map[int]int, error) { return c.values, c.err }, dataloader.Options{})
		got, first := l.LoadAll(t.Context(), []int{1, 2, 3})
		if want := c.want[slices.IndexFunc(c.want[:], func(err error) bool { return err != nil })]; !errors.Is(first, want) {
			t.Errorf("%s: LoadAll: %v, want %v", name, first, want)
		}
		for i, want := range c.want {
			value, err := l.Load(t.Context(), i+1)
			if value != got[i] || !errors.Is(err, want) || (want == nil) != (value == i+1) {
				t.Errorf("%s: %d is %d, %d, %v, want %v", name, i+1, got[i], value, err, want)
			}
		}
	}
	l := dataloader.New(func(context.Context, []int) (map[int]int, error) { return nil, hostile{} }, dataloader.Options{})
	if _, err := l.Load(t.Context(), 1); !errors.As(err, &panicked) {
		t.Errorf("an error that panics: %v", err)
	}
}

// Errors are for those who wait. That a key is not found stays known.
func TestErrorsAreNotKept(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, c := range map[string]struct {
		fetch func(ctx context.Context) error
		kept  bool
	}{
		"an error":     {func(context.Context) error { return errBroken }, false},
		"of the key":   {func(context.Context) error { return dataloader.KeyErrors[int]{1: errBroken} }, false},
		"a panic":      {func(context.Context) error { panic("on purpose") }, false},
		"an exit":      {func(context.Context) error { runtime.Goexit(); return nil }, false},
		"a deadline":   {func(context.Context) error { return context.DeadlineExceeded }, false},
		"none":         {func(context.Context) error { return nil }, true},
		"not found":    {func(context.Context) error { return dataloader.KeyErrors[int]{1: dataloader.ErrNotFound} }, true},
		"other's lack": {func(context.Context) error { return fmt.Errorf("team of user: %w", dataloader.ErrNotFound) }, false},
	} {
		var calls atomic.Int64
		l := dataloader.New(func(ctx context.Context, keys []int) (map[int]int, error) {
			if calls.Add(1) == 1 {
				return nil, c.fetch(ctx)
			}
			return map[int]int{1: 1}, nil
		}, dataloader.Options{})
		if _, err := l.Load(t.Context(), 1); err == nil {
			t.Errorf("%s: no error", name)
		}
		value, err := l.Load(t.Context(), 1)
		if c.kept && (!errors.Is(err, dataloader.ErrNotFound) || calls.Load() != 1) || !c.kept && (value != 1 || err != nil || calls.Load() != 2) {
			t.Errorf("%s: then %d, %v after %d fetches", name, value, err, calls.Load())
		}
	}
}

// All waiters of a batch receive its error, including those that joined during the fetch.
func TestErrorsReachAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		l := dataloader.New(func(ctx context.Context, keys []int) (map[int]int, error) {
			calls.Add(1)
			time.Sleep(time.Second)
			return nil, errBroken
		}, dataloader.Options{})
		for range 3 {
			go func() {
				if _, err := l.Load(t.Context(), 1); !errors.Is(err, errBroken) {
					t.Error(err)
				}
			}()
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		if calls.Load() != 1 {
			t.Errorf("%d fetches", calls.Load())
		}
	})
}
