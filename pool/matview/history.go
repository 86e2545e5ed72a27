package matview

import (
	"sync"
	"time"
)

// history is what an instance knows about the refreshes of the view.
type history struct {
	every, grace, patience time.Duration

	mu     sync.Mutex
	looked time.Time // time of the last look; zero before the first
	change string    // the last change that it knows of
	due    time.Time // when it refreshes the view, unless the view changes before
	mine   bool      // whether the last change is its own refresh
	start  time.Time // when its own last refresh started
	held   bool      // whether it is refreshing the view
}

// isDue records the state that a look found, and reports whether this instance must refresh
// the view now.
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

// attempt records the start of a refresh. If the refresh fails or another instance has the
// lock, the next attempt is due an interval later.
func (h *history) attempt(start time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.due = start.Add(h.every)
}

// hold records that this instance is refreshing the view, until the function it returns is
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

// refreshed records a refresh by this instance.
func (h *history) refreshed(change string, start time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.change, h.mine, h.start, h.looked, h.due = change, true, start, time.Now(), start.Add(h.every)
}

// untilDue returns the time until the view is due. It is negative if the view is overdue.
func (h *history) untilDue() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Until(h.due)
}

// stop ends the lead of this instance. The next look counts as the first.
func (h *history) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looked, h.mine = time.Time{}, false
}

// leads reports whether this instance is refreshing the view, or refreshed it last and is
// not overdue for the next refresh.
func (h *history) leads() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held || h.mine && time.Since(h.start) < h.every+h.grace
}

// staleness returns the age of the last refresh if this instance ran it, according to a look
// within the last interval.
func (h *history) staleness() (_ time.Duration, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.mine || !h.held && time.Since(h.looked) > h.every {
		return 0, false
	}
	return time.Since(h.start), true
}
