package plancache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// After breakAfter failures in a row the store is not asked for a pause, which doubles with each
// further failure, to breakMost. When it is over one caller asks. What works ends it.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := errors.New("the store fails")
		l := &level{timeout: time.Minute, failed: func(error) {}}
		asks := func(answer error) (asked bool) {
			_, _ = ask(t.Context(), l, func(context.Context) (int, error) { asked = true; return 0, answer })
			return asked
		}
		failures := func(n int) {
			t.Helper()
			for i := range n {
				if !asks(fails) {
					t.Errorf("it is not asked after %d failures", i)
				}
			}
		}
		failures(breakAfter - 1)
		asks(nil)
		failures(breakAfter)
		for pause := breakFirst; pause < 4*breakMost; pause *= 2 {
			bounded := min(pause, breakMost)
			if asks(fails) {
				t.Error("it is asked at once after it has failed")
			}
			if time.Sleep(bounded/2 - time.Nanosecond); asks(fails) {
				t.Errorf("it is asked in a pause of %v", bounded)
			}
			if time.Sleep(bounded + time.Nanosecond); !asks(fails) {
				t.Errorf("it is not asked after a pause of %v", bounded)
			}
		}
		time.Sleep(2 * breakMost)
		asks(nil)
		failures(breakAfter)
	})
}

// A store that ignores its contexts is asked until mostAbandoned calls go on.
func TestAbandonedCalls(t *testing.T) {
	l := &level{timeout: time.Minute, failed: func(error) {}}
	for abandoned, want := range map[int32]bool{mostAbandoned - 1: false, mostAbandoned: true} {
		if l.abandoned.Store(abandoned); l.open() != want {
			t.Errorf("with %d calls that go on: it is asked: %v", abandoned, want)
		}
	}
}
