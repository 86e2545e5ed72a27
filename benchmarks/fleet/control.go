package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// side is a fleet with the load on it, and what is seen of it. There are two: the one to which everything
// happens, and the control, to which nothing does. The same requests are due at both at the same times,
// so what changes the latency of both is the machine, and what changes that of one is what happened to it.
type side struct {
	*fleet
	load    load.Config
	watcher *watcher
}

// openSide starts a fleet. The caller closes the side, also after an error.
func openSide(ctx context.Context, o Options) (*side, error) {
	s := &side{fleet: &fleet{Options: o}}
	if err := s.open(ctx); err != nil {
		return s, err
	}
	s.load = load.Config{URL: "http://" + s.balancer.address + "/graphql", Mix: load.BlogMix(), Variants: s.variants(),
		Persisted: true, ServerHeader: serverHeader, Seed: 1}
	var err error
	s.load.Totals, err = load.Target{URL: s.load.URL}.Totals(ctx)
	s.watcher = &watcher{fleet: s.fleet, probe: newProbe(s.load.URL), writes: newWrites()}
	return s, err
}

// openSides starts the fleet and, if latencies are checked, the control. The caller closes all of them,
// also after an error.
func openSides(ctx context.Context, o Options) (sides []*side, err error) {
	shown, err := openSide(ctx, o)
	sides = append(sides, shown)
	if err != nil || o.Short {
		return sides, err
	}
	shown.say("Starting a second fleet, the control, to which nothing will happen ...")
	o.Log = io.Discard
	control, err := openSide(ctx, o)
	shown.watcher.control = control.watcher
	return append(sides, control), err
}

// closeSides ends all of them.
func closeSides(sides []*side) error {
	var errs []error
	for _, s := range sides {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// What must hold in comparison with the control.
const (
	mostLatency = 1.10 // of the P95 before an event
	mostCPU     = 1.5  // of the CPU time for a request before an event
)

// part is a part of the show, from one time to another.
type part struct{ from, to time.Duration }

func (e *Event) before(window time.Duration) part { return part{e.Begin - window, e.Begin} }

// after is when the event must no longer be felt.
func (e *Event) after(window time.Duration) part {
	from := e.End + e.Recovery
	return part{from, from + window}
}

// latency must be back soon after an event.
func (w *watcher) latency(e *Event, window time.Duration) Check {
	most := mostLatency * max(e.Dearer, 1)
	c := w.compare(most, e.before(window), e.after(window))
	c.Event = e.Name
	c.What = fmt.Sprintf("%v after it, P95 over the control's is at most %.3g times what it was before", e.Recovery, most)
	return c
}

// opening is how many windows there are before the first event: what comes after each of the others is
// compared with them.
const opening = 2

// lasting says that latency must be after all events, taken together, what it was before the first: what
// makes each event a bit worse, and what is too little to be certain of after one of them, shows here.
func (w *watcher) lasting(events []*Event, window time.Duration) Check {
	var after []part
	for _, e := range events {
		after = append(after, e.after(window))
	}
	c := w.compare(mostLatency, events[0].before(opening*window), after...)
	c.What = fmt.Sprintf("after all events together, P95 over the control's is at most %.3g times what it was "+
		"before the first", mostLatency)
	return c
}

// compare says that P95 in some parts of the show must be at most so many times that in one before them.
func (w *watcher) compare(most float64, reference part, parts ...part) (c Check) {
	before, conditions := w.seconds(reference), w.conditions(reference.from, reference.to)
	var after []pair
	for _, p := range parts {
		after = append(after, w.seconds(p)...)
		conditions = machine.Worst(conditions, w.conditions(p.from, p.to))
	}
	if len(before) == 0 || len(after) == 0 {
		c.Found = "no requests"
		return c
	}
	low := atLeast(func(draw func([]pair) []pair) float64 { return ratio(draw(after)) / ratio(draw(before)) })
	c.Held = low <= most
	ownBefore, controlBefore := together(before)
	ownAfter, controlAfter := together(after)
	c.Found = fmt.Sprintf("%.1f ms before, %.1f ms after; the control %.1f ms and %.1f ms: %.2f times, "+
		"at least %.2f with a certainty of %.0f %%", p95(ownBefore), p95(ownAfter), p95(controlBefore), p95(controlAfter),
		ratio(after)/ratio(before), low, 100*certainty)
	c.openIfBusy(conditions)
	return c
}

func p95(list []time.Duration) float64 { return millis(percentile(list, 0.95)) }

// seconds returns the latencies of the requests to the fleet and to the control that were due in each
// second of a part of the show.
func (w *watcher) seconds(of part) (list []pair) {
	for from := of.from; from < of.to; from += time.Second {
		end := min(from+time.Second, of.to)
		p := pair{took(w.between(from, end)), took(w.control.between(from, end))}
		if len(p.own) > 0 && len(p.others) > 0 {
			list = append(list, p)
		}
	}
	return list
}

// cost says that a request must not need much more CPU time after an event than before: what burns it,
// as clients do that connect again without a pause, slows the control down as well.
func (w *watcher) cost(e *Event, window time.Duration) Check {
	c := Check{Event: e.Name, What: fmt.Sprintf("a request needs at most %v times the CPU time of before", mostCPU)}
	before, after := w.perRequest(e.before(window)), w.perRequest(e.after(window))
	if before == 0 || after == 0 {
		c.Open, c.Found = true, "not known"
		return c
	}
	c.Held = float64(after) <= mostCPU*float64(before)
	c.Found = fmt.Sprintf("%.2f ms before, %.2f ms after: %.2f times", millis(before), millis(after),
		float64(after)/float64(before))
	return c
}

// perRequest returns the CPU time of all processes of the show for each request that was due in a time; 0
// if it is not known.
func (w *watcher) perRequest(of part) time.Duration {
	var first, last *condition
	w.mu.Lock()
	for i := range w.machine {
		c := &w.machine[i]
		if c.at < of.from || c.at >= of.to {
			continue
		}
		if first == nil {
			first = c
		}
		last = c
	}
	w.mu.Unlock()
	if first == nil || first == last {
		return 0
	}
	requests := len(w.between(first.at, last.at)) + len(w.control.between(first.at, last.at))
	return (last.own - first.own) / time.Duration(max(requests, 1))
}

// undisturbed says that no request to the control may fail: what fails there shows that it is not what
// happened that has requests fail.
func (w *watcher) undisturbed() Check {
	c := Check{What: "no request to the control fails"}
	failed, total := map[string]int{}, 0
	mix := load.BlogMix()
	for _, r := range w.control.between(0, time.Hour) {
		total++
		if r.err != nil {
			failed[mix[r.operation].Name+": "+r.err.Error()]++
		}
	}
	c.noneFails(failed, total)
	return c
}
