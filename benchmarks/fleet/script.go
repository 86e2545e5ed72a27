package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// share of what a closed loop gets through is the load: the machine must have room for what
// events cost.
const share = 0.3

const (
	maximumClients = 16
	maximumTime    = 4 * time.Second
	warmup         = 4 * time.Second
)

// recovery is how long an event may be felt after its end.
const (
	recovery = 2 * time.Second
	outage   = 5 * time.Second // after a failover
)

// Event is what happens to the fleet, and what it may cost.
type Event struct {
	Name       string
	About      string
	Begin, End time.Duration
	// Recovery is how long after End the latency may be higher.
	Recovery time.Duration
	// Outage says that requests may fail until then.
	Outage bool
	// Killed says that an instance was killed with the requests it had.
	Killed bool
	// Dearer is how many times the latency of before is what it is for good afterwards; 0 is 1.
	Dearer float64
	// Stale is how old what instances keep may be, if it is not what it is as a rule.
	Stale time.Duration

	run func(context.Context, *fleet) error
}

// script are the events, in their order.
func script() []*Event {
	return []*Event{
		{Name: "rolling deploy", Recovery: recovery, run: rollingDeploy,
			About: "The table posts gets a column, then each instance is replaced by one whose GraphQL schema has lost " +
				"a field and has a new directive."},
		{Name: "killed instance", Recovery: recovery, Killed: true, run: killInstance,
			About: "An instance is killed with SIGKILL; its successor starts three seconds later."},
		{Name: "lagging replica", Recovery: recovery, run: replicaLags,
			About: "A replica receives what is written, but does not replay it for " + lagFor.String() + "."},
		{Name: "killed Redis node", Recovery: recovery, Stale: blindFor, run: killRedisNode,
			About: "A node of the Redis cluster is killed, and comes back without its keys five seconds later."},
		{Name: "hung Redis node", Recovery: recovery, Stale: blindFor, run: hangRedisNode,
			About: "A node of the Redis cluster stands still for " + hangFor.String() + ", and nobody is told."},
		// A process more on the way, and statements that are planned each time: about a tenth, by fleets
		// that were compared with and without it.
		{Name: "behind PgBouncer", Recovery: recovery, Dearer: 1.15, run: behindPooler,
			About: "Each instance is replaced by one that reaches the primary through PgBouncer, and has no lease."},
		{Name: "failover", Recovery: outage, Outage: true, Stale: staleFor, run: failOver,
			About: "The primary is killed, the replica that has received most is promoted, and PgBouncer is pointed at it."},
	}
}

// rollingDeploy brings the next version of the schema: the new one is there before the old one
// leaves.
func rollingDeploy(ctx context.Context, f *fleet) error {
	// Old instances do not see it: they name the columns that they read.
	err := execute(ctx, f.testbed.Postgres, "set lock_timeout = '1s'", "alter table posts add column subtitle text")
	if err != nil {
		return err
	}
	next := f.first()
	next.name, next.next, next.args = "next", true, append(next.args, "-schema", f.schema)
	if !f.with(fast) {
		next.args = append(next.args, slower...)
	}
	return f.roll(ctx, next)
}

// roll replaces all instances by those of a release, one after the other.
func (f *fleet) roll(ctx context.Context, next release) error {
	f.release = next
	for _, old := range f.running() {
		if err := f.launch(ctx, next); err != nil {
			return err
		}
		if err := f.retire(old); err != nil {
			return err
		}
	}
	return nil
}

func killInstance(ctx context.Context, f *fleet) error {
	victim := f.running()[0]
	victim.Kill()
	f.wait(ctx, 3*time.Second)
	if err := f.forget(victim); err != nil {
		return err
	}
	return errors.Join(f.launch(ctx, f.release), ctx.Err())
}

// lagFor is longer than instances read from a replica that does not follow.
const lagFor = maxLag + 4*time.Second

func replicaLags(ctx context.Context, f *fleet) error {
	lagging := f.servers[1].Server
	if err := execute(ctx, lagging, "select pg_wal_replay_pause()"); err != nil {
		return err
	}
	f.wait(ctx, lagFor)
	return execute(ctx, lagging, "select pg_wal_replay_resume()")
}

// variants is how many texts there are of each query. The caches must know them before the first event.
func (f *fleet) variants() int {
	if f.Short {
		return 2
	}
	return 8
}

// wait is a sleep that is a third as long in a short show.
func (f *fleet) wait(ctx context.Context, d time.Duration) {
	if f.Short {
		d /= 3
	}
	sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// Run shows a fleet, and returns what was seen. An error is about the show; whether what must
// hold does is in the report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	sides, err := openSides(ctx, o)
	defer func() { err = errors.Join(err, closeSides(sides)) }()
	if err != nil {
		return nil, err
	}
	shown := sides[0]
	if shown.Rate == 0 {
		if shown.Rate, err = shown.affordable(ctx, len(sides)); err != nil {
			return nil, err
		}
	}
	events, err := show(ctx, sides)
	if err != nil {
		return nil, err
	}
	w := shown.watcher
	for _, s := range shown.starts {
		w.starts = append(w.starts, began{s.slot, s.at.Sub(w.begin)})
	}
	return shown.report(ctx, w, events)
}

// affordable returns the rate of the load on each of some sides.
func (s *side) affordable(ctx context.Context, sides int) (float64, error) {
	c := s.load
	c.Clients, c.Warmup, c.Duration, c.Seed = maximumClients, maximumTime/2, maximumTime, 2
	closed, err := load.Run(ctx, c)
	if err != nil {
		return 0, err
	}
	if closed.Errors > 0 {
		return 0, fmt.Errorf("fleet: %d requests failed before anything happened: %v", closed.Errors, closed.ErrorKinds)
	}
	s.say("%d clients get through %.0f requests/s.", maximumClients, closed.Throughput)
	return share * closed.Throughput / float64(sides), nil
}

// show sends the load to all sides while the events happen to the first.
func show(ctx context.Context, sides []*side) ([]*Event, error) {
	shown := sides[0]
	shown.say("Sending %.0f requests/s to each of %d ...", shown.Rate, len(sides))
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var begun []<-chan struct{}
	ended := make(chan error, 1+len(sides))
	for _, s := range sides {
		begins := make(chan struct{})
		begun = append(begun, begins)
		c, w := s.load, s.watcher
		c.Phases, c.Arrivals = []load.Phase{{Rate: shown.Rate, Duration: time.Hour}}, load.Poisson
		c.Warmup, c.Duration = warmup, time.Hour
		c.Each, c.Measuring = w.each, func() { w.measuring(); close(begins) }
		go func() {
			_, err := load.Run(sending, c)
			ended <- err
		}()
	}
	go func() {
		shown.watcher.run(sending)
		ended <- nil
	}()
	events, err := shown.play(ctx, shown.watcher, begun)
	stop()
	for range cap(ended) {
		if sent := <-ended; sent != nil && !errors.Is(sent, context.Canceled) {
			err = errors.Join(err, sent)
		}
	}
	return events, errors.Join(err, ctx.Err())
}

// play has the events happen, one after the other.
func (f *fleet) play(ctx context.Context, w *watcher, begun []<-chan struct{}) ([]*Event, error) {
	for _, one := range begun {
		select {
		case <-one:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	sleep(ctx, opening*f.Window)
	// On a busy machine the first look may take longer.
	if err := until(ctx, startTimeout, nil, w.looked); err != nil {
		return nil, fmt.Errorf("fleet: a look at the instances: %w", err)
	}
	events := script()
	for _, e := range events {
		f.say("%s ...", e.Name)
		e.Begin, _ = w.now()
		if err := e.run(ctx, f); err != nil {
			return nil, fmt.Errorf("fleet: %s: %w", e.Name, err)
		}
		e.End, _ = w.now()
		f.say("  took %.1f s", (e.End - e.Begin).Seconds())
		f.wait(ctx, e.Recovery)
		sleep(ctx, f.Window)
	}
	return events, ctx.Err()
}
