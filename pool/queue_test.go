package pool

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Urgent waiters that pass nobody do not count against those who come later.
func TestUrgentAloneIsNoStreak(t *testing.T) {
	var q queue
	push := func(urgent bool, n int) {
		for range n {
			q.push(time.Time{}, urgent)
		}
	}
	pop := func(n int) string {
		var order []string
		for range n {
			order = append(order, map[bool]string{true: "urgent", false: "usual"}[q.pop().urgent])
		}
		return strings.Join(order, " ")
	}
	push(true, maxStreak)
	pop(maxStreak)
	push(false, 2)
	push(true, maxStreak+2)
	// The second usual one has only two urgent ones left before it.
	const want = "urgent urgent urgent usual urgent urgent usual"
	if got := pop(q.Len()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A queue that was empty has stood only since then. A caller that has left is not in it.
func TestQueueStandsSinceItWasEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue{target: time.Millisecond}
		q.remove(q.push(time.Now(), false))
		if n := q.Len(); n != 0 {
			t.Fatalf("%d wait", n)
		}
		time.Sleep(shedAfter)
		w := q.push(time.Now(), false)
		time.Sleep(shedAfter / 2)
		urgent := q.push(time.Now(), true)
		time.Sleep(shedAfter / 2)
		if q.sheds(w) {
			t.Error("the time before the queue was empty counts")
		}
		time.Sleep(time.Nanosecond)
		if !q.sheds(w) || q.sheds(urgent) {
			t.Errorf("refused: %v, the urgent one %v", q.sheds(w), q.sheds(urgent))
		}
		if q.target = 0; q.sheds(w) {
			t.Error("refused without a target")
		}
		q.remove(w)
		if q.Len() != 1 || q.pop() != urgent {
			t.Error("who has left is served")
		}
	})
}
