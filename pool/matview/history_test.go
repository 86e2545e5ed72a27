package matview

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Options are what is asked for, and durations do not overflow.
func TestDurations(t *testing.T) {
	for name, c := range map[string]struct {
		options           Options
		timeout, patience time.Duration
	}{
		"defaults":    {Options{}, 10 * time.Minute, time.Minute},
		"often":       {Options{Every: time.Second}, 10 * time.Second, 1250 * time.Millisecond},
		"rarely":      {Options{Every: time.Hour}, 10 * time.Hour, time.Minute},
		"patient":     {Options{Patience: time.Hour}, 10 * time.Minute, time.Hour},
		"never":       {Options{Every: math.MaxInt64}, 10 * longest, time.Minute},
		"all forever": {Options{"", math.MaxInt64, math.MaxInt64, math.MaxInt64, nil}, math.MaxInt64, math.MaxInt64},
	} {
		c.options.View = "v"
		r, err := New(exhausted{}, c.options)
		if err != nil {
			t.Fatal(err)
		}
		if r.config.Timeout != c.timeout || r.config.Patience != c.patience || r.history.patience != c.patience {
			t.Errorf("%s: %+v", name, r.config)
		}
		if r.history.isDue(state{filled: true, change: "1"}) || r.history.isDue(state{filled: true, change: "2"}) {
			t.Errorf("%s: it is due at once", name)
		}
	}
}

// exhausted is a pool without a connection left.
type exhausted struct{}

func (exhausted) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A pool without a connection is reported soon, however rarely the view is refreshed.
func TestExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := New(exhausted{}, Options{View: "v", Every: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := r.turn(t.Context()); err == nil || time.Since(start) > time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// When an instance refreshes depends on what it knows of the view's age: from the server, from
// having seen the last change itself, or not at all.
func TestDue(t *testing.T) {
	const every, grace, patience = time.Hour, 15 * time.Minute, 10 * time.Minute
	aged := func(age time.Duration) *float64 { seconds := age.Seconds(); return &seconds }
	for name, c := range map[string]struct {
		looks []state       // a minute apart, the last of them repeated
		due   time.Duration // after the first look
	}{
		"no data":              {[]state{{change: "1"}}, 0},
		"of unknown age":       {[]state{{filled: true, change: "1"}}, patience},
		"young":                {[]state{{filled: true, change: "1", age: aged(5 * time.Minute)}}, every + grace - 5*time.Minute},
		"as old as it may get": {[]state{{filled: true, change: "1", age: aged(every + grace)}}, 0},
		"older":                {[]state{{filled: true, change: "1", age: aged(2 * every)}}, 0},
		"from the future":      {[]state{{filled: true, change: "1", age: aged(-time.Hour)}}, every + grace},
		"changed by another": {[]state{{filled: true, change: "1"}, {filled: true, change: "1"}, {filled: true, change: "2"}},
			2*time.Minute + every + grace},
		"emptied": {[]state{{filled: true, change: "1"}, {change: "2"}}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := history{every: every, grace: grace, patience: patience}
				for at := time.Duration(0); ; at += time.Minute {
					s := c.looks[min(int(at/time.Minute), len(c.looks)-1)]
					if due := h.isDue(s); due || at >= c.due {
						if !due || at != c.due {
							t.Errorf("due %v after %v, want it after %v", due, at, c.due)
						}
						return
					}
					if left := h.untilDue(); left <= 0 {
						t.Errorf("after %v it is due in %v", at, left)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// The instance that refreshes leads until the next refresh is overdue, and knows the view's age while it
// looks at it.
func TestLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := history{every: time.Hour, grace: 15 * time.Minute, patience: time.Minute}
		want := func(leads bool, age time.Duration, known bool) {
			t.Helper()
			a, k := h.staleness()
			if l := h.leads(); l != leads || a != age || k != known {
				t.Errorf("leads %v, age %v, known %v; want %v, %v, %v", l, a, k, leads, age, known)
			}
		}
		want(false, 0, false)
		start := time.Now()
		h.attempt(start)
		release := h.hold()
		want(true, 0, false)
		time.Sleep(time.Minute)
		h.refreshed("2", start)
		release()
		want(true, time.Minute, true)
		if left := h.untilDue(); left != 59*time.Minute {
			t.Errorf("due in %v", left)
		}
		time.Sleep(time.Hour)
		want(true, 61*time.Minute, true) // The last look was an hour ago.
		time.Sleep(time.Second)
		want(true, 0, false)
		h.isDue(state{filled: true, change: "2"})
		want(true, 61*time.Minute+time.Second, true)
		time.Sleep(13*time.Minute + 59*time.Second)
		want(false, 75*time.Minute, true)
		h.isDue(state{filled: true, change: "3"}) // another's refresh
		want(false, 0, false)
		h.refreshed("4", time.Now())
		want(true, 0, true)
		h.stop()
		want(false, 0, false)
	})
}
