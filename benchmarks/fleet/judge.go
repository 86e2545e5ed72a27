package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// Check is something that must hold, and what was found.
type Check struct {
	Event string // "" for the whole show
	What  string
	Found string
	Held  bool
	// Open says that it cannot be told, because something else used the machine.
	Open bool
}

// What must hold.
const (
	leastHits    = 0.95        // of the share of hits before an event
	killedWithin = time.Second // of the kill, in which requests of a killed instance fail
	mostFailed   = 0.2         // of the requests of a check itself: an instance that was killed answers none
)

// attempt is a request that a check looks at, and whether it had no answer.
type attempt struct {
	at     time.Duration
	failed bool
}

// tally returns how many attempts there are of those whose time counts, and how many of them failed.
func tally(list []attempt, counts func(at time.Duration) bool) (all, failed int) {
	for _, a := range list {
		if !counts(a.at) {
			continue
		}
		all++
		if a.failed {
			failed++
		}
	}
	return all, failed
}

// mostAnswered reports whether so few requests failed that those that were answered tell something.
func mostAnswered(all, failed int) bool { return float64(failed) <= mostFailed*float64(all) }

// out reports whether requests may fail at a time, because of an outage.
func (e *Event) out(at time.Duration) bool {
	return e.Outage && at >= e.Begin && at < e.End+e.Recovery
}

// judge returns all checks of the events.
func (w *watcher) judge(events []*Event, o Options) (list []Check) {
	from := time.Duration(0) // What fails before the first event is no better.
	for n, e := range events {
		end := e.End + e.Recovery + o.Window + time.Hour
		if n+1 < len(events) {
			end = events[n+1].Begin
		}
		list = append(list, w.failures(e, from, end), w.hits(e, o.Window), w.fresh(e, from, end))
		if !o.Short {
			list = append(list, w.latency(e, o.Window), w.cost(e, o.Window))
		}
		from = end
	}
	if !o.Short {
		list = append(list, w.fastAtOnce("first", 0, mostFirst), w.fastAtOnce("second", time.Second, mostSecond),
			w.lasting(events, o.Window), w.undisturbed())
	}
	return append(list, w.plansOfOneSchema())
}

// failures must be none that were told from one time to another, but those that an outage may
// have. Nobody may send a mutation again that a killed instance has not answered: whether it was
// done is not known. Nor can a balancer send again what it has passed the beginning of an answer to.
func (w *watcher) failures(e *Event, from, to time.Duration) Check {
	c := Check{Event: e.Name, What: "no request fails"}
	if e.Outage {
		c.What += fmt.Sprintf(" later than %v after it", e.Recovery)
	}
	mix := load.BlogMix()
	failed, excused, total := map[string]int{}, 0, 0
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.results {
		told := r.at + r.took
		if told < from || told >= to {
			continue
		}
		total++
		switch {
		case r.err == nil:
		case e.Killed && (!mix[r.operation].Reads() || errors.Is(r.err, load.ErrCutShort)) &&
			told >= e.Begin && told < e.Begin+killedWithin,
			e.out(told):
			excused++
		default:
			failed[mix[r.operation].Name+": "+r.err.Error()]++
		}
	}
	c.noneFails(failed, total)
	switch {
	case excused > 0 && e.Outage:
		c.Found += fmt.Sprintf(", besides %d during it, which may", excused)
	case excused > 0:
		c.Found += fmt.Sprintf(", besides %d mutations or answers that the killed instance had begun, which may", excused)
	}
	return c
}

// noneFails says that none of some requests may fail, and that there must be some.
func (c *Check) noneFails(failed map[string]int, total int) {
	c.Held, c.Found = len(failed) == 0 && total > 0, fmt.Sprintf("0 of %d fail", total)
	if len(failed) > 0 {
		c.Found = kinds(failed) + fmt.Sprintf(" of %d", total)
	}
}

// openIfBusy leaves a check that does not hold open if the machine was busy.
func (c *Check) openIfBusy(conditions *machine.Conditions) {
	if !c.Held && conditions.Busy() {
		c.Open = true
		c.Found += "; " + conditions.String()
	}
}

// kinds lists errors with their counts, the most frequent first.
func kinds(counts map[string]int) string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d× %s", counts[name], name)
	}
	return strings.Join(names[:min(len(names), 5)], "; ")
}

// hits must stay near those of before.
func (w *watcher) hits(e *Event, window time.Duration) Check {
	c := Check{Event: e.Name,
		What: fmt.Sprintf("the share of plans from the cache stays above %v times that of before", leastHits)}
	var before, last plans
	lowest, at := 2.0, time.Duration(0)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.plans {
		switch {
		case p.lookups == 0:
		case p.at < e.Begin:
			last = p
			if p.at >= e.Begin-window {
				before.lookups, before.built = before.lookups+p.lookups, before.built+p.built
			}
		case p.at < e.End+e.Recovery+window && p.hitRatio() < lowest:
			lowest, at = p.hitRatio(), p.at
		}
	}
	if before.lookups == 0 { // On a busy machine looks come late.
		before = last
	}
	if before.lookups == 0 || lowest > 1 {
		c.Found = "nothing was looked up"
		return c
	}
	c.Held = lowest >= leastHits*before.hitRatio()
	c.Found = fmt.Sprintf("%.4f before, %.4f in the worst second (at %.0f s)", before.hitRatio(), lowest, at.Seconds())
	return c
}

func (p plans) hitRatio() float64 { return 1 - p.built/max(p.lookups, 1) }

// plansOfOneSchema must be all.
func (w *watcher) plansOfOneSchema() Check {
	w.mu.Lock()
	defer w.mu.Unlock()
	answers := 0
	for _, p := range w.plans {
		answers += p.answers
	}
	c := Check{What: "no instance answers by a plan of another schema", Held: len(w.wrong) == 0 && answers > 0,
		Found: fmt.Sprintf("0 of %d answers in %d looks at all instances", answers, len(w.plans))}
	if len(w.wrong) > 0 {
		c.Found = fmt.Sprintf("%d, as: %s", len(w.wrong), w.wrong[0])
	}
	return c
}

// withinLimit says that connections must be what the server has for the blog, at most.
func (w *watcher) withinLimit(server string, limit int, log string) Check {
	c := Check{What: fmt.Sprintf("the connections to the %s stay within %d, and none is refused", server, limit)}
	most, looks := 0, 0
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, each := range w.counts {
		if each.server == server {
			most, looks = max(most, each.n), looks+1
		}
	}
	refused := strings.Count(log, "too many clients already") +
		strings.Count(log, "remaining connection slots are reserved")
	c.Held = most <= limit && refused == 0 && looks > 0 && most > 0
	c.Found = fmt.Sprintf("at most %d in %d looks, %d refused", most, looks, refused)
	return c
}
