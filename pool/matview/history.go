package matview

import (
	"sync"
	"time"
)

// history is what an instance knows of the view's refreshes.
type history struct {
	every, grace, patience time.Duration

	mu     sync.Mutex
	looked time.Time // when it has last seen the view; zero if it never has
	change string    // the last change it knows of
	due    time.Time // when it refreshes the view if this does not change before
	mine   bool      // the last change is its own refresh,
	start  time.Time // which started then
	held   bool      // it is refreshing the view
}

// isDue takes in what a look has found, and reports whether this instance is to refresh the
// view now.
func (h *history) isDue(s state) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if first := h.looked.IsZero(); first || s.change != h.change {
		h.change, h.mine = s.change, false
		switch {
		case !s.filled:
			h.due = now
		case s.age != nil:
			age := max(0, time.Duration(*s.age*float64(time.Second)))
			h.due = now.Add(h.every + h.grace - age)
		case first:
			h.due = now.Add(h.patience)
		default:
			h.due = now.Add(h.every + h.grace)
		}
	}
	h.looked = now
	return !now.Before(h.due)
}

// attempt notes the start of a refresh, and when to try the next one if it fails or another
// instance has the lock.
func (h *history) attempt(start time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.due = start.Add(h.every)
}

// hold notes that this instance has the lock and refreshes the view, until the function is
// called.
func (h *history) hold() func() {
	set := func(held bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.held = held
	}
	set(true)
	return func() { set(false) }
}

// refreshed notes a refresh of this instance.
func (h *history) refreshed(change string, start time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.change, h.mine, h.start, h.looked, h.due = change, true, start, time.Now(), start.Add(h.every)
}

// untilDue returns how long it is until the view is due, a negative time if it is.
func (h *history) untilDue() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Until(h.due)
}

// stop forgets that the last refresh is this instance's.
func (h *history) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looked, h.mine = time.Time{}, false
}

// leads reports whether this instance refreshes the view, or did so last and has not let
// its turn pass.
func (h *history) leads() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held || h.mine && time.Since(h.start) < h.every+h.grace
}

// staleness returns the age of the last refresh if it is this instance's, as far as it has
// seen within an interval.
func (h *history) staleness() (_ time.Duration, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.mine || !h.held && time.Since(h.looked) > h.every {
		return 0, false
	}
	return time.Since(h.start), true
}
