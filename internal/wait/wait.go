// Package wait lets tests wait for what comes true by itself.
package wait

import (
	"testing"
	"time"
)

const (
	longest = 30 * time.Second // on a busy machine
	between = 5 * time.Millisecond
)

// Until waits until something holds. What takes too long fails the test.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(longest); !holds(); time.Sleep(between) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true: ", what)
		}
	}
}
