package reader_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Migrations that lock several tables never wait in a circle with reads of one table each.
func TestNoDeadlocksWithMigrations(t *testing.T) {
	run(t, "drop table if exists da, db", "create table da (id int)", "create table db (id int)")
	p := open(t, "pool_max_conns=12&pool_reader_slow_after=1s")
	r := p.Reader()
	duration := 3 * time.Second
	if long {
		duration = 10 * time.Minute
	}
	var migrations atomic.Int64
	begun := time.Now()
	more := func() bool { // A busy machine has a minute more for enough of them.
		took := time.Since(begun)
		return took < duration || took < duration+time.Minute && (r.Counts().Shared < 500 || migrations.Load() < 20)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := pgx.Connect(t.Context(), server.DSN())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		for more() {
			if _, err := conn.Exec(t.Context(), "begin; lock table da; lock table db; commit"); err != nil {
				t.Error(err)
				return
			}
			migrations.Add(1)
			time.Sleep(5 * time.Millisecond)
		}
	})
	for range 24 {
		wg.Go(func() {
			for i := 0; more(); i++ {
				table := []string{"da", "db"}[i%2]
				if _, err := r.Exec(t.Context(), "select count(*) from "+table); err != nil {
					t.Errorf("read of %s: %v", table, err)
				}
			}
		})
	}
	wg.Wait()
	c := r.Counts()
	t.Logf("%d migrations, %d shared and %d direct reads, %d canceled", migrations.Load(), c.Shared, c.Direct, c.Canceled)
	if c.Shared < 500 || migrations.Load() < 20 {
		t.Error("nothing was tested")
	}
}

// While a table is locked, reads of others go on.
func TestLockedNeighbour(t *testing.T) {
	run(t, "drop table if exists locked, free", "create table locked (id int)", "create table free (id int primary key)", "insert into free select generate_series(1, 1000)")
	p := open(t, "pool_max_conns=12")
	r := p.Reader()
	const sql = "select id from free where id = $1"
	read := func(i int) time.Duration {
		start := time.Now()
		var got int
		if err := r.QueryRow(t.Context(), sql, i).Scan(&got); err != nil || got != i {
			t.Errorf("got %d, %v; want %d", got, err, i)
		}
		return time.Since(start)
	}
	// reads reads for so long, and returns the slowest hundredth.
	reads := func(d time.Duration) time.Duration {
		var mu sync.Mutex
		var all []time.Duration
		end := time.Now().Add(d)
		crowd(24, func(int) {
			var own []time.Duration
			for i := 0; time.Now().Before(end); i++ {
				own = append(own, read(i%1000+1))
			}
			mu.Lock()
			all = append(all, own...)
			mu.Unlock()
		})
		slices.Sort(all)
		return all[len(all)*99/100]
	}
	crowdUntil(t, r, 24, 20, 200, func(i, j int) { read(i + 1) })
	// measure has a text wait for the lock that the Reader takes for fast.
	measure := func(blocked string) (quiet, busy time.Duration) {
		crowdUntil(t, r, 24, 20, r.Counts().Shared+200, func(int, int) {
			if _, err := r.Exec(t.Context(), blocked); err != nil {
				t.Error(err)
			}
		})
		quiet = reads(time.Second)
		tx, err := p.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "lock table locked"); err != nil {
			t.Fatal(err)
		}
		var waiting atomic.Int64
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				waiting.Add(1)
				if _, err := r.Exec(t.Context(), blocked); err != nil {
					t.Error(err)
				}
				waiting.Add(-1)
			})
		}
		wait.Until(t, "they wait", func() bool { return waiting.Load() == 3 })
		busy = reads(3 * time.Second)
		if waiting.Load() != 3 {
			t.Error("the lock has kept nobody")
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		return quiet, busy
	}
	// A pause of the machine can hold up a hundredth, and all the others. A text that has waited is known to be slow.
	for attempt := range 3 {
		quiet, busy := measure(fmt.Sprintf("select count(*) from locked as l%d", attempt))
		t.Logf("the slowest hundredth: %v quiet, %v beside a lock; %d statements were canceled", quiet, busy, r.Counts().Canceled)
		if busy <= max(10*quiet, 100*time.Millisecond) { // The lock is held for seconds.
			return
		}
	}
	t.Error("those who wait for the lock hold up the others")
}

// What a volatile function sets for its transaction is gone for the next statement, also
// of the same text.
func TestVolatileStatementsAreAlone(t *testing.T) {
	run(t, `create or replace function marks(n int) returns text language plpgsql volatile as $$
		declare before text; begin before := current_setting('app.mark', true); perform set_config('app.mark', n::text, true); return before; end $$`,
		"create or replace view marking as select set_config('app.mark', 'view', true) as was")
	r := open(t, "pool_max_conns=8&pool_reader_slow_after=1s").Reader()
	crowdUntil(t, r, 32, 30, 500, func(i, _ int) {
		var before *string
		if err := r.QueryRow(t.Context(), "select nullif(marks($1), '')", i).Scan(&before); err != nil || before != nil {
			t.Errorf("the mark of another is seen: %v, %v", before, err)
		}
		if _, err := r.Exec(t.Context(), "select * from marking"); err != nil {
			t.Error(err)
		}
	})
	// now() is that of the transaction: the statement is in one of its own, or in a run of others like it.
	crowdUntil(t, r, 32, 30, r.Counts().Shared+500, func(int, int) {
		var now, clock time.Time
		if err := r.QueryRow(t.Context(), "select now(), clock_timestamp()").Scan(&now, &clock); err != nil || clock.Before(now) {
			t.Errorf("%v %v, %v", now, clock, err)
		}
	})
}

// With an isolation level above read committed each statement sees what was committed
// before it was asked.
func TestIsolation(t *testing.T) {
	run(t, "drop table if exists counted", "create table counted (n int)", "insert into counted values (0)")
	c := config(t, "pool_max_conns=8&pool_reader_slow_after=1s")
	c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "serializable"
	p := openConfig(t, c)
	r := p.Reader()
	var committed atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := int64(1); ctx.Err() == nil; n++ {
			if _, err := p.Exec(t.Context(), "update counted set n = $1", n); err == nil {
				committed.Store(n)
			}
		}
	})
	crowdUntil(t, r, 24, 50, 1000, func(int, int) {
		var got int64
		before := committed.Load()
		err := r.QueryRow(t.Context(), "select n from counted").Scan(&got)
		var e *pgconn.PgError
		if errors.As(err, &e) && e.Code == "40001" {
			return
		}
		if err != nil || got < before {
			t.Errorf("got %d, %v; %d was committed before", got, err, before)
		}
	})
	stop()
	wg.Wait()
}

// However often statements fail, a session has no more prepared statements than texts, and never more than the
// limit.
func TestPreparedStatementsAreBounded(t *testing.T) {
	for _, c := range []struct{ texts, capacity, most int }{{7, 512, 7}, {60, 20, 20}} {
		r := open(t, fmt.Sprintf("pool_max_conns=4&pool_reader_conns=1&pool_reader_slow_after=1s&statement_cache_capacity=%d", c.capacity)).Reader()
		most, failures := new(atomic.Int64), new(atomic.Int64)
		crowdUntil(t, r, 16, 300, 3000, func(i, j int) {
			sql := fmt.Sprintf("select %d + 1 / $1::int", (i+j)%c.texts)
			n := 1
			if (i*31+j*17)%40 == 0 {
				n = 0
			}
			if _, err := r.Exec(t.Context(), sql, n); (err != nil) != (n == 0) {
				t.Error(err)
			} else if err != nil {
				failures.Add(1)
			}
			if j%20 == 0 {
				var prepared int64
				if err := r.QueryRow(t.Context(), "select count(*) from pg_prepared_statements where name like 'gqlboost%'").Scan(&prepared); err != nil {
					t.Error(err)
				}
				most.Store(max(most.Load(), prepared))
			}
		})
		t.Logf("%d texts, %d failures: %d statements prepared at most", c.texts, failures.Load(), most.Load())
		if most.Load() > int64(c.most+3) || most.Load() == 0 || failures.Load() == 0 { // and the one that counts, BEGIN and COMMIT
			t.Errorf("%d statements were prepared, %d failures", most.Load(), failures.Load())
		}
	}
}

// counted is a connection that counts itself while it is open.
type counted struct {
	*net.TCPConn
	close func()
}

func (c counted) Close() error {
	err := c.TCPConn.Close()
	c.close()
	return err
}

// sockets counts the open connections of a pool, and how many there were at most. The server
// cannot be asked: its backends end some time after their connections.
type sockets struct {
	open, most atomic.Int64
}

func (s *sockets) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n := s.open.Add(1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	return counted{c.(*net.TCPConn), sync.OnceFunc(func() { s.open.Add(-1) })}, nil
}

// All connections together stay within the budget, whatever is done with them. Reset closes
// connections in the background, as pgxpool's does, so with it only the pool's own count is bounded.
func TestBudget(t *testing.T) {
	for _, budget := range []int{1, 2, 3, 10} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d,reset=%v", budget, reset), func(t *testing.T) { stayWithin(t, budget, reset) })
		}
	}
	c := config(t, "pool_max_conns=2")
	c.Reader.Replicas = []string{server.DSN(), server.DSN()}
	if _, err := pool.NewWithConfig(t.Context(), c); err == nil {
		t.Error("2 connections are enough for a primary and 2 replicas")
	}
}

// Callers who have all connections and need a second one, to understand their rows, get one after
// the other, beyond the budget only if they wait for each other.
func TestBudgetOfRowsThatAsk(t *testing.T) {
	var s sockets
	c := config(t, "pool_max_conns=2")
	c.ConnConfig.DialFunc = s.dial
	p, err := pool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	crowd(16, func(i int) {
		rows, err := p.Reader().Query(reader.Alone(t.Context()), "select 1")
		if err != nil {
			t.Error(err)
			return
		}
		defer rows.Close()
		ask := rows.(interface {
			CatalogRows(ctx context.Context, sql string) ([][][]byte, error)
		}).CatalogRows
		sql := fmt.Sprintf("select %d", i)
		for range 2 {
			got, err := ask(t.Context(), sql)
			if err != nil || len(got) != 1 || string(got[0][0]) != strconv.Itoa(i) {
				t.Errorf("%s: %s, %v", sql, got, err)
			}
		}
	})
	if most := s.most.Load(); most > 3 {
		t.Errorf("%d connections with a budget of 2", most)
	}
}

func stayWithin(t *testing.T, budget int, reset bool) {
	var s sockets
	c := config(t, fmt.Sprintf("pool_max_conns=%d&pool_min_idle_conns=1&pool_health_check_period=20ms"+
		"&pool_reader_conns=4&pool_reader_slow_after=10s", budget))
	c.ConnConfig.DialFunc = s.dial
	p, err := pool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	// Fill the pool before the Reader comes.
	crowd(budget, func(int) { _, _ = p.Exec(t.Context(), "select pg_sleep(0.05)") })
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	time.AfterFunc(1500*time.Millisecond, func() {
		for budget > 3 && p.Reader().Counts().Shared == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond) // The machine is busy.
		}
		stop()
	})
	var wg sync.WaitGroup
	for i := range 48 {
		wg.Go(func() {
			for ctx.Err() == nil {
				var err error
				switch i % 4 {
				case 0:
					_, err = p.Exec(t.Context(), "select pg_sleep(0.001)")
				case 1:
					_, err = p.Reader().Exec(reader.Alone(t.Context()), "select pg_sleep(0.001)")
				default:
					_, err = p.Reader().Exec(t.Context(), "select 1")
				}
				if err != nil {
					t.Error(err)
				}
				if i == 0 && reset {
					p.Reset()
					time.Sleep(250 * time.Millisecond) // What is learned is doubted then.
				}
			}
		})
	}
	for ctx.Err() == nil {
		if n := p.Stat().TotalConns(); int(n) > budget {
			t.Errorf("the pool has %d connections", n)
		}
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	shared := p.Reader().Counts().Shared
	t.Logf("%d connections at most, %d statements shared", s.most.Load(), shared)
	if most := int(s.most.Load()); most > budget && !reset || most == 0 {
		t.Errorf("%d connections with a budget of %d", most, budget)
	}
	if budget > 3 && shared == 0 {
		t.Error("nothing was shared")
	}
}
