package reader_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
)

// client is one of many that write and read their own writes. It knows nothing but its token, as text:
// so does a browser with a cookie.
type client struct {
	id, written int
	token       string
}

// history is what clients have done and seen.
type history struct {
	pool                                        *pool.Pool
	reads, onReplica, asked, writes, violations atomic.Int64
}

// step writes, thinks and reads a few times.
func (h *history) step(ctx context.Context, c *client, think time.Duration) error {
	next := c.written + 1
	var err error
	const update = "update written set n = $2 where id = $1"
	switch next % 3 {
	case 0:
		_, err = h.pool.Exec(ctx, update, c.id, next)
	case 1:
		err = pgx.BeginFunc(ctx, h.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, update, c.id, next)
			return err
		})
	case 2:
		b := &pgx.Batch{}
		b.Queue(update, c.id, next)
		err = h.pool.SendBatch(ctx, b).Close()
	}
	if err != nil {
		return err
	}
	c.written, c.token = next, h.pool.Token(ctx).String()
	h.writes.Add(1)
	for range 1 + rand.IntN(3) {
		time.Sleep(rand.N(think) + 1)
		if err := h.read(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// read reads what the client has written. Half of the reads may share a run with those of others.
func (h *history) read(ctx context.Context, c *client) error {
	token, err := reader.ParseToken(c.token)
	if err != nil {
		return err
	}
	ctx = reader.WithToken(ctx, token)
	var got int
	var replica bool
	if rand.N(2) == 0 {
		err = h.pool.Reader().QueryRow(ctx, "select n from written where id = $1", c.id).Scan(&got)
	} else {
		const sql = "select n, pg_is_in_recovery() from written where id = $1"
		err = h.pool.Reader().QueryRow(ctx, sql, c.id).Scan(&got, &replica)
		h.asked.Add(1)
	}
	if err != nil {
		return err
	}
	h.reads.Add(1)
	if replica {
		h.onReplica.Add(1)
	}
	if got != c.written {
		h.violations.Add(1)
	}
	return nil
}

// run has clients at work until more returns false.
func (h *history) run(t *testing.T, ctx context.Context, clients []*client, think time.Duration, more func() bool) {
	t.Helper()
	crowd(len(clients), func(i int) {
		for more() && ctx.Err() == nil {
			if err := h.step(ctx, clients[i], think); err != nil {
				t.Error(err)
				return
			}
		}
	})
}

// Clients read their own writes, from replicas where these lag for less than clients think, and
// whatever happens to replicas.
func TestHistoryOfWrites(t *testing.T) {
	f := startFleet(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	p := f.open(t, "")
	const n = 300
	setup := fmt.Sprintf("create table written (id int primary key, n int not null); "+
		"insert into written select generate_series(0, %d), 0", n)
	if _, err := p.Exec(ctx, setup); err != nil {
		t.Fatal(err)
	}
	var clients []*client
	for i := range n {
		clients = append(clients, &client{id: i})
	}
	settle(t, p)

	calm := int64(3000)
	if long {
		calm = 30000
	}
	// On a busy machine a replica may take longer than by default a read waits for it.
	h := &history{pool: f.open(t, "&pool_reader_token_wait=2s")}
	n1 := h.counted(t, "calm", func() {
		h.run(t, ctx, clients, 300*time.Millisecond, func() bool { return h.reads.Load() < calm })
	})
	primary := n1.Primary + n1.Refused
	if 10*int64(primary) > h.reads.Load() || 10*h.onReplica.Load() < 9*h.asked.Load() {
		t.Errorf("%d of %d reads were on the primary; %d of %d have seen a replica", primary, h.reads.Load(),
			h.onReplica.Load(), h.asked.Load())
	}
	h = &history{pool: p}
	n2 := h.counted(t, "disturbed", func() {
		var events sync.WaitGroup
		var over atomic.Bool
		events.Go(func() { f.disturb(t, ctx, h); over.Store(true) })
		h.run(t, ctx, clients, 30*time.Millisecond, func() bool { return !over.Load() })
		events.Wait()
	})
	if n2.Primary == 0 || n2.Replica == 0 {
		t.Error("nothing was disturbed, or everything")
	}
	t.Run("failover", f.testFailover)
}

// counted returns how the reads of a phase were routed, of which none may have missed a write.
func (h *history) counted(t *testing.T, phase string, run func()) reader.Followed {
	t.Helper()
	r := h.pool.Reader()
	before := r.Followed()
	run()
	n := r.Followed()
	n.Replica -= before.Replica
	n.Waited -= before.Waited
	n.Primary -= before.Primary
	n.Refused -= before.Refused
	t.Logf("%s: %d writes, %d reads: %+v; %d violations", phase, h.writes.Load(), h.reads.Load(), n, h.violations.Load())
	if h.violations.Load() > 0 {
		t.Errorf("%s: %d of %d reads have not seen their client's write", phase, h.violations.Load(), h.reads.Load())
	}
	return n
}

// disturb pauses and resumes the replay of replicas, each by itself, kills them and starts them
// again, while clients are at work.
func (f *fleet) disturb(t *testing.T, ctx context.Context, h *history) {
	events := 8
	if long {
		events = 200
	}
	for event := range events {
		i := rand.IntN(len(f.replicas))
		at := h.reads.Load()
		more := func() {
			time.Sleep(rand.N(300 * time.Millisecond))
			wait.Until(t, "clients read", func() bool { return h.reads.Load() > at+150 || ctx.Err() != nil })
		}
		switch {
		case event%4 == 3:
			if err := f.replicas[i].Kill(); err != nil {
				t.Error(err)
			}
			if event%8 == 3 {
				more()
			}
			if err := f.replicas[i].Restart(ctx); err != nil {
				t.Error(err)
			}
		case event%4 == 1:
			f.resume(ctx)
		default:
			_, _ = f.admins[i].Exec(ctx, "select pg_wal_replay_pause()")
		}
		more()
	}
	f.resume(ctx)
}

// resume has all replicas replay.
func (f *fleet) resume(ctx context.Context) {
	for _, admin := range f.admins {
		for { // It may be starting.
			if _, err := admin.Exec(ctx, "select pg_wal_replay_resume()"); err == nil || ctx.Err() != nil {
				break
			}
		}
	}
}
