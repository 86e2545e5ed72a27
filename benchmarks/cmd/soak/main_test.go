package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// What failed in this run is an error, what failed before it was one then; a drift is one of all runs.
func TestVerdict(t *testing.T) {
	windows := func(change func(w *load.Window, i int)) (list []load.Window) {
		for i := range 60 {
			w := load.Window{Session: 1 + i/30, Minutes: float64(i), Requests: 100, Memory: 100e6}
			change(&w, i)
			list = append(list, w)
		}
		return list
	}
	fails := func(n int, busy bool) func(*load.Window, int) {
		return func(w *load.Window, i int) {
			if i == n {
				w.Errors, w.Busy = 3, busy
			}
		}
	}
	for name, c := range map[string]struct {
		windows []load.Window
		had     int
		want    string // "" for no error
		drifts  bool
	}{
		"nothing failed":    {windows(func(*load.Window, int) {}), 30, "", false},
		"a run of before":   {windows(fails(7, false)), 30, "", false},
		"this run":          {windows(fails(37, false)), 30, "3 of 3003 requests of this run failed, 0 of them while", false},
		"on a busy machine": {windows(fails(37, true)), 30, "3 of 3003 requests of this run failed, 3 of them while", false},
		"nothing new":       {windows(fails(37, false)), 60, "", false},
		"a leak":            {windows(func(w *load.Window, i int) { w.Memory += float64(i%30) * 1e7 }), 60, "the server drifts", true},
	} {
		err := verdict(c.windows, c.had)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) ||
			errors.Is(err, errDrift) != c.drifts {
			t.Errorf("%s: %v", name, err)
		}
	}
}
