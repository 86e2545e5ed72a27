package fleet

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

const (
	countEvery  = 100 * time.Millisecond // of connections
	lookAtEvery = time.Second            // of instances
)

// result is a request.
type result struct {
	at, took  time.Duration
	operation int
	slot      int // of the instance that has answered; 0: none
	err       error
}

// began is when a slot got an instance.
type began struct {
	slot int
	at   time.Duration
}

// plans are the lookups of plans since the look before.
type plans struct {
	at             time.Duration
	lookups, built float64 // because of requests
	warmed         float64 // before instances were ready
	instances      int
	answers        int // of them to what only one of the schemas has

	kept, made float64 // results that were asked for, and were there or not
}

// condition is what the machine and the fleet on it had used at a time.
type condition struct {
	at      time.Duration
	machine *machine.Reading
	own     time.Duration
}

// count is of the blog's connections to one server.
type count struct {
	at     time.Duration
	server string
	n      int
}

// watcher keeps what is seen. Times count from the beginning of the measurement.
type watcher struct {
	fleet   *fleet
	control *watcher // of the other fleet; nil if latencies are not checked
	probe   *probe
	writes  *writes

	mu      sync.Mutex
	begin   time.Time
	results []result
	plans   []plans
	counts  []count
	machine []condition
	wrong   []string // plans of another schema
	starts  []began  // of instances; set at the end
}

// now is the time of the measurement; false before it has begun.
func (w *watcher) now() (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.begin), !w.begin.IsZero()
}

func (w *watcher) measuring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin = time.Now()
}

func (w *watcher) each(s load.Sent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results = append(w.results, result{s.Due, s.Latency, s.Operation, slotOf(s.Server), s.Err})
}

// run watches until the context ends.
func (w *watcher) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { every(ctx, lookAtEvery, w.look) })
	all.Go(func() { every(ctx, probeEvery, w.probing) })
	all.Go(func() { every(ctx, probeEvery, w.changes) })
	for _, s := range w.fleet.servers {
		all.Go(func() { w.connections(ctx, s) })
	}
	all.Wait()
}

func every(ctx context.Context, period time.Duration, do func(context.Context)) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			do(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look asks all instances what their caches do, and whether their plans are of their schema.
func (w *watcher) look(ctx context.Context) {
	at, begun := w.now()
	sum := plans{at: at}
	var wrong []string
	for _, i := range w.fleet.running() {
		f, err := i.look(ctx)
		if err != nil {
			continue // It starts, ends or was killed.
		}
		sum.warmed += i.warmed
		i.warmed = 0
		missed := f.misses - i.before.misses - i.refused
		sum.lookups += f.hits - i.before.hits + missed
		sum.built += missed
		sum.kept += f.kept - i.before.kept
		sum.made += f.made - i.before.made
		sum.instances++
		i.before = f
		answers, refused, notes := i.canary(ctx)
		i.refused = refused
		sum.answers += answers
		wrong = append(wrong, notes...)
	}
	if !begun {
		return
	}
	now := condition{at, machine.Read(), cpu.FamilyTime()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.machine = append(w.machine, now)
	w.plans, w.wrong = append(w.plans, sum), append(w.wrong, wrong...)
}

// looked reports whether there was a look at the instances.
func (w *watcher) looked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.plans, func(p plans) bool { return p.lookups > 0 })
}

// connections counts those of the blog's user to a server, through one of a superuser's.
func (w *watcher) connections(ctx context.Context, s server) {
	var conn *pgx.Conn
	every(ctx, countEvery, func(ctx context.Context) {
		at, begun := w.now()
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(ctx, s.DSN()); err != nil {
				return // It is down.
			}
		}
		var n int
		err := conn.QueryRow(ctx, "select count(*) from pg_stat_activity where usename = $1", role).Scan(&n)
		if err == nil && begun {
			w.mu.Lock()
			w.counts = append(w.counts, count{at, s.name, n})
			w.mu.Unlock()
		}
	})
	if conn != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // The server may have gone.
	}
}

// conditions are those of the machine in a time.
func (w *watcher) conditions(from, to time.Duration) *machine.Conditions {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first, last *condition
	for i := range w.machine {
		c := &w.machine[i]
		if first == nil || c.at <= from {
			first = c
		}
		if last == nil || last.at < to {
			last = c
		}
	}
	if first == nil {
		return nil
	}
	return last.machine.Since(first.machine, last.own-first.own)
}

// between returns the results of requests that were due in a time.
func (w *watcher) between(from, to time.Duration) []result {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(func(yield func(result) bool) {
		for _, r := range w.results {
			if r.at >= from && r.at < to && !yield(r) {
				return
			}
		}
	})
}
