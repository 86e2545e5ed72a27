package pool

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/internal/callback"
	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
)

// LeaseOptions makes instances divide the connections of a Postgres server among themselves, see
// [Config].Lease. Zero fields but Fleet have defaults.
type LeaseOptions struct {
	// Fleet is the name of the instances that divide ServerShare of the server's connections among
	// them. "" is no lease. Two services on one server are two fleets, whose ServerShares add up
	// to 1 at most, or one fleet.
	Fleet string
	// Every is how often an instance announces itself. One that has not for five times as long is
	// taken for dead. 0 is 1 s. It must be the same in all instances.
	Every time.Duration
	// Reserve is how many connections the fleet leaves to others, and to instances that join: as
	// many as join at the same time (maxSurge), and those of others. 0 is 5. It must be the same
	// in all instances.
	Reserve int
	// Store is where the fleet is stored. nil is the table gqlboost_leases of the database, in whatever
	// schema it is, which is created if it is not there; so all instances must use one database of the
	// server.
	Store LeaseStore
	// OnError is called with errors of the lease, by one goroutine at a time, for which nobody
	// waits. The instance keeps its last share.
	OnError func(error)
}

// LeaseStore keeps one small value for each fleet, which instances change one after the other. It
// is safe for concurrent use.
type LeaseStore interface {
	// Update calls change with the value of a fleet, nil if there is none, and with the time of the
	// store, which is the same for all instances. It stores what change returns if nobody else
	// has stored a value meanwhile. Otherwise it calls change again, or fails. If change fails,
	// nothing is stored, and its error is returned.
	//
	// A store that has lost the newest value must call change with nil, never with an older one. If
	// time does not cure an error, because something is set up wrong, it should have a method
	// Permanent() bool that returns true: New returns it then, instead of a pool that waits.
	Update(ctx context.Context, fleet string, change func(value []byte, now time.Time) ([]byte, error)) error
}

const (
	mostFleet      = 200 // bytes of a name
	leastHeartbeat = 100 * time.Millisecond
	mostHeartbeat  = 24 * time.Hour
	missed         = 5                      // heartbeats, after which an instance is taken for dead
	defaultEvery   = time.Second            // of heartbeats
	defaultReserve = 5                      // connections
	leastEvery     = 20 * time.Millisecond  // also where an instance waits for its share
	trimEvery      = 20 * time.Millisecond  // of looks for idle connections beyond the share
	beatTimeout    = 5 * time.Second        // of one heartbeat, and of an instance's goodbye
	storeGrace     = 100 * time.Millisecond // for a store to return after its context has ended
)

// lease holds a pool's share.
type lease struct {
	pool   *Pool
	config LeaseOptions
	id     string
	gate   *gate
	store  LeaseStore

	conn   *pgx.Conn // to the server, for the lease alone; nil if there is none
	seated *pgx.Conn // that which has the seat
	demand int

	last   atomic.Pointer[share]
	errors atomic.Uint64
	stop   context.CancelFunc
	done   sync.WaitGroup
	told   callback.Errors
	turn   chan struct{} // has a place for one call of the store
}

// errPermanent is an error that time does not cure.
type errPermanent struct{ error }

// Unwrap returns the cause.
func (e errPermanent) Unwrap() error { return e.error }

// Permanent is what a [LeaseStore]'s errors may have.
func (e errPermanent) Permanent() bool { return true }

func isPermanent(err error) bool {
	var permanent interface{ Permanent() bool }
	return errors.As(err, &permanent) && permanent.Permanent()
}

func newLease(p *Pool, c LeaseOptions) *lease {
	c.Every, c.Reserve = cmp.Or(c.Every, defaultEvery), cmp.Or(c.Reserve, defaultReserve)
	l := &lease{
		pool: p, config: c, id: rand.Text(), gate: newGate(c.Every, missed*c.Every), store: c.Store,
		turn: make(chan struct{}, 1),
	}
	l.last.Store(&share{})
	if l.store == nil {
		l.store = &leaseTable{lease: l}
	}
	return l
}

// begin joins the fleet, and goes on until leave is called. What cannot work is an error; a
// server that does not answer now is asked again.
func (l *lease) begin(ctx context.Context) error {
	err := l.beat(ctx)
	if isPermanent(err) {
		l.disconnect()
		return err
	}
	l.report(err)
	own, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.done.Go(func() { l.trim(own) })
	l.done.Go(func() { l.run(own) })
	return nil
}

// run announces the instance.
func (l *lease) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(l.next()):
		}
		err := l.beat(ctx)
		if ctx.Err() == nil {
			l.report(err)
		}
	}
}

// next returns the time to the next heartbeat. An instance that waits for its share, or that
// has not given up what it is to give up, does not wait for long.
func (l *lease) next() time.Duration {
	s := l.last.Load()
	_, open, _ := l.gate.held()
	if s.members == 0 { // Many may be waiting to join.
		return l.config.Every/4 + mathrand.N(l.config.Every/2)
	}
	if s.granted < s.target || open > s.granted {
		return max(l.config.Every/10, leastEvery)
	}
	return l.config.Every
}

// beat renews the lease.
func (l *lease) beat(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			l.errors.Add(1)
		}
	}()
	on, err := l.look(ctx)
	if err != nil {
		return err
	}
	var s share
	r, asked := l.measure(), time.Now()
	err = l.update(ctx, func(f *fleet, now time.Time) { s = f.renew(r, on, now, missed*l.config.Every) })
	if err != nil {
		if r.bound == 0 {
			l.disconnect() // Others would wait for an instance that has nothing.
		}
		return fmt.Errorf("pool: lease of fleet %q: %w", l.config.Fleet, err)
	}
	l.apply(s, asked)
	if s.members == 0 {
		l.disconnect() // There is no room for it yet.
	}
	return nil
}

// update changes what is stored of the fleet. A store that ignores its context is left behind, and what
// it calls then changes nothing; until it returns, the next call fails.
func (l *lease) update(ctx context.Context, change func(f *fleet, now time.Time)) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("an earlier call of the store goes on: %w", ctx.Err())
	}
	var mu sync.Mutex
	left := false
	updated := callback.Run(callback.Go, func() error {
		defer func() { <-l.turn }()
		return l.store.Update(ctx, l.config.Fleet, func(value []byte, now time.Time) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			if left {
				return nil, context.Cause(ctx)
			}
			f, err := readFleet(value)
			if err != nil {
				return nil, err
			}
			change(f, now)
			return f.state()
		})
	})
	if _, own := l.store.(*leaseTable); own { // It ends with its context, and the connection is its until then.
		return <-updated
	}
	select {
	case err := <-updated:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-updated: // It says more than the context.
		return err
	case <-time.After(storeGrace):
	}
	mu.Lock()
	defer mu.Unlock()
	left = true
	return fmt.Errorf("the store goes on after its context has ended: %w", ctx.Err())
}

// measure says what the instance holds and could use.
func (l *lease) measure() report {
	bound, open, backend := l.gate.held()
	// A demand that was there a moment ago may come back.
	l.demand = max(int(l.pool.admission.takePeak()), l.demand*7/8)
	return report{
		id: l.id, bound: bound, open: open, demand: l.demand, max: l.pool.size(),
		backend: append(backend, l.conn.PgConn().PID()),
	}
}

// apply makes the pool keep a share.
func (l *lease) apply(s share, asked time.Time) {
	l.last.Store(&s)
	l.gate.set(s.granted, asked)
	l.pool.admission.setCapacity(int64(max(1, s.granted))) // 0 would be none. The gate knows better.
}

// look asks the server how many connections there are for the fleet, and which server processes
// there are.
func (l *lease) look(ctx context.Context) (on servers, err error) {
	if l.conn == nil || l.conn.IsClosed() {
		if l.conn, err = l.connect(ctx); err != nil {
			return on, fmt.Errorf("pool: lease: connecting: %w", err)
		}
	}
	var n int64
	var self uint32
	var processes, seats []uint32
	var started []float64
	err = l.conn.QueryRow(ctx, "select "+connectionsForUsers+`, extract(epoch from clock_timestamp())::float8, pg_backend_pid(),
		array_agg(pid), array_agg(coalesce(extract(epoch from backend_start), 0)::float8), (`+l.seatsTaken()+`)
		from pg_stat_activity`, pgx.QueryExecModeSimpleProtocol).Scan(&n, &on.now, &self, &processes, &started, &seats)
	if err != nil {
		return on, fmt.Errorf("pool: lease: asking the server for its connections: %w", err)
	}
	on.alive, on.seats = map[uint32]float64{}, map[uint32]bool{}
	for i, id := range processes {
		on.alive[id] = started[i]
	}
	for _, s := range seats {
		on.seats[s] = true
	}
	if own := l.conn.PgConn().PID(); own != self {
		return on, errPermanent{fmt.Errorf("pool: lease: process %d of this session is not Postgres's: behind a pooler "+
			"the pooler bounds the server's connections; remove Config.Lease (pool_lease), or connect to Postgres itself", own)}
	}
	if err := l.sit(ctx); err != nil {
		return on, fmt.Errorf("pool: lease: taking a seat: %w", err)
	}
	part := cmp.Or(l.pool.share(), 1)
	on.budget, on.reserve = int(float64(n)*part)-l.config.Reserve, l.config.Reserve
	return on, nil
}

// connect opens the connection that the lease has for itself.
func (l *lease) connect(ctx context.Context) (*pgx.Conn, error) {
	c := l.pool.config.ConnConfig.Copy()
	c.Tracer, c.OnNotification = nil, nil
	ctx = quiet.Context(ctx)
	if before := l.pool.config.BeforeConnect; before != nil {
		if err := before(ctx, c); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, c)
}

func (l *lease) disconnect() {
	if l.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = l.conn.Close(ctx)
	}
}

// trim closes idle connections beyond the share, until the context ends.
func (l *lease) trim(ctx context.Context) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.gate.tick()
		n := l.gate.excess()
		if n <= 0 || l.pool.Stat().IdleConns() == 0 {
			continue
		}
		for _, conn := range l.pool.AcquireAllIdle(withoutHook(quiet.Context(ctx))) {
			if n--; n >= 0 {
				l.pool.end(conn.Conn(), false)
			}
			quiet.Acquired(conn.Conn()) // AcquireAllIdle is not reported to the user's tracer.
			conn.Release()
		}
	}
}

// leave gives the share up, after the pool's connections were closed.
func (l *lease) leave() {
	l.stop()
	l.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), beatTimeout)
	defer cancel()
	defer l.disconnect()
	// Without it, the instance is taken for dead later.
	_ = l.update(ctx, func(f *fleet, _ time.Time) { f.leave(l.id) })
}

func (l *lease) report(err error) {
	if on := l.config.OnError; on != nil && err != nil {
		l.told.Send(on, err)
	}
}
