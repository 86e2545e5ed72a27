package reader

import (
	"testing"
	"time"
)

// A look that takes long once puts off the next one a little, and one that always does by its
// full cost in the end.
func TestLookCost(t *testing.T) {
	cost := lookCost(0, 5*time.Second)
	if cost > 20*time.Millisecond {
		t.Errorf("the first look costs %v", cost)
	}
	for range 20 {
		cost = lookCost(cost, 300*time.Millisecond)
	}
	if cost != 300*time.Millisecond {
		t.Errorf("a slow look costs %v", cost)
	}
	if cost = lookCost(cost, time.Millisecond); cost != time.Millisecond {
		t.Errorf("a fast look costs %v", cost)
	}
}
