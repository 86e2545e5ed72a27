package fleet

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/chart"
)

// How old what an instance keeps may be. The blog says so: examples/blog/fleet.go. A second more is
// for a machine that has something else to do.
const (
	lateFor  = 2 * time.Second // a beat of the bus
	blindFor = 6 * time.Second // its silence, and how long it may be blind
)

// writeEach is how many reads of all instances there are for a write.
const writeEach = 5

// writes are posts that are published through one instance, and looked for in what all of them keep.
type writes struct {
	client *http.Client

	mu           sync.Mutex
	turn         int
	acked        []write // the oldest first
	looks        []look
	posts, reads []attempt
}

// look is what an instance has shown.
type look struct {
	at     time.Duration
	behind time.Duration // how long ago the first post was published that it has not shown
	name   string        // of the instance
}

func newWrites() *writes {
	return &writes{client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}}
}

// changes publishes a post now and then, and looks at all instances each time.
func (w *watcher) changes(ctx context.Context) {
	instances := w.fleet.running()
	if at, begun := w.now(); begun && len(instances) > 0 {
		w.writes.step(ctx, instances, at)
	}
}

func (w *writes) step(ctx context.Context, instances []*instance, at time.Duration) {
	w.mu.Lock()
	w.turn++
	turn := w.turn
	w.mu.Unlock()
	if turn%writeEach == 0 {
		w.publish(ctx, instances[turn/writeEach%len(instances)], at)
	}
	var all sync.WaitGroup
	for _, i := range instances {
		all.Go(func() { w.read(ctx, i, at) })
	}
	all.Wait()
}

// publish publishes a post. One that is not answered may be there or not, and does not count.
func (w *writes) publish(ctx context.Context, through *instance, at time.Duration) {
	var data struct{ CreatePost struct{ ID string } }
	err := w.ask(ctx, through.URL,
		`mutation publish { createPost(input: {authorId: 1, title: "News", body: "New"}) { id } }`, &data)
	if ctx.Err() != nil {
		return
	}
	id, _ := strconv.Atoi(data.CreatePost.ID) // 0 beside an error.
	failed := err != nil || id == 0
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posts = append(w.posts, attempt{at, failed})
	if !failed {
		w.acked = append(w.acked, write{id, time.Now()})
	}
}

// read looks at the front page of an instance. Its client has no cookie: it is answered from what the
// instance keeps.
func (w *writes) read(ctx context.Context, from *instance, at time.Duration) {
	asked := time.Now()
	var data struct{ Feed []struct{ ID string } }
	err := w.ask(ctx, from.URL, `query front { feed(first: 50) { id } }`, &data)
	if ctx.Err() != nil {
		return
	}
	var shown []int
	for _, p := range data.Feed {
		id, _ := strconv.Atoi(p.ID) // 0 for what is no id.
		shown = append(shown, id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	failed := err != nil || len(shown) == 0
	w.reads = append(w.reads, attempt{at, failed})
	if !failed {
		w.looks = append(w.looks, look{at, w.behind(shown, asked), from.Name})
	}
}

// behind returns how long before a time the first post was published that a page, newest first, does
// not show, though it belongs there.
func (w *writes) behind(shown []int, asked time.Time) time.Duration {
	there := map[int]bool{}
	for _, id := range shown {
		there[id] = true
	}
	for _, each := range w.acked {
		if each.at.Before(asked) && each.id > shown[len(shown)-1] && !there[each.id] {
			return asked.Sub(each.at)
		}
	}
	return 0
}

func (w *writes) ask(ctx context.Context, url, query string, data any) error {
	request, err := post(ctx, url, query)
	if err != nil {
		return err
	}
	_, err = exchange(w.client, request, data)
	return err
}

// fresh says that nothing older may be shown by what instances keep than the event may cause.
func (w *watcher) fresh(e *Event, from, to time.Duration) Check {
	bound := max(e.Stale, lateFor)
	c := Check{Event: e.Name,
		What: fmt.Sprintf("%v after a post was published, no instance shows a feed without it", bound)}
	kept, made := w.lookups(from, to)
	everKept, _ := w.lookups(0, time.Hour)
	w.writes.mu.Lock()
	defer w.writes.mu.Unlock()
	looks, stale := 0, 0
	var worst look
	for _, l := range w.writes.looks {
		if l.at < from || l.at >= to {
			continue
		}
		looks++
		if l.behind > bound {
			stale++
		}
		if l.behind >= worst.behind {
			worst = l
		}
	}
	counts := func(at time.Duration) bool { return at >= from && at < to && !e.out(at) }
	posts, noPosts := tally(w.writes.posts, counts)
	reads, noReads := tally(w.writes.reads, counts)
	// What is made again each time cannot be stale, nor is anything if nothing is published. A short show
	// may end in an outage.
	published := posts > noPosts || e.Outage && posts == 0
	c.Held = stale == 0 && looks > 0 && everKept > 0 && published && mostAnswered(posts+reads, noPosts+noReads)
	c.Found = fmt.Sprintf("%d of %d looks show one; the longest was %.2f s (%s); %.0f %% of the results were cached; "+
		"%d posts; %d of %d requests failed", stale, looks, worst.behind.Seconds(), worst.name,
		100*kept/max(kept+made, 1), posts-noPosts, noPosts+noReads, posts+reads)
	return c
}

// lookups returns how many results were kept ones, and how many were not.
func (w *watcher) lookups(from, to time.Duration) (kept, made float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.plans {
		if p.at >= from && p.at < to {
			kept, made = kept+p.kept, made+p.made
		}
	}
	return kept, made
}

// line is the worst look of each second.
func (w *writes) line() chart.Series {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := chart.Series{Name: "at most"}
	for _, l := range w.looks {
		second, n := math.Floor(l.at.Seconds()), len(s.Points)
		if n == 0 || s.Points[n-1][0] != second {
			s.Points = append(s.Points, [2]float64{second, 0})
			n++
		}
		s.Points[n-1][1] = max(s.Points[n-1][1], millis(l.behind))
	}
	return s
}
