package reader_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestReaderAnswersEachItsOwn(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_slow_after=1s")
	r := p.Reader()
	crowdUntil(t, r, 64, 250, 10_000, func(i, j int) {
		var got int
		var text string
		want := i*1_000_000 + j
		err := r.QueryRow(t.Context(), "select $1::int, $2::text", want, fmt.Sprint(i)).Scan(&got, &text)
		if err != nil || got != want || text != fmt.Sprint(i) {
			t.Errorf("got %d %q, %v; want %d", got, text, err, want)
		}
	})
	if batches, n := r.Counts().Writes, r.Counts().Sent; n < 2*batches {
		t.Errorf("%d statements in %d batches: nothing was coalesced", n, batches)
	}
}

// The helpers of pgx work with shared results.
func TestReaderRows(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_slow_after=1s")
	r := p.Reader()
	type person struct {
		Name string
		Age  *int32
		At   time.Time
		Tags []string
	}
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	const sql = "select name, age, $1::timestamptz as at, array['a', null] is not null as ok, array['x','y'] as tags from (values ('Ada', 36), ('Bob', null)) v(name, age)"
	crowdUntil(t, r, 32, 20, 1000, func(int, int) {
		rows, err := r.Query(t.Context(), sql, at)
		if err != nil {
			t.Error(err)
			return
		}
		people, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (q person, err error) {
			var ok bool
			err = row.Scan(&q.Name, &q.Age, &q.At, &ok, &q.Tags)
			return q, err
		})
		if err != nil || len(people) != 2 || people[0].Name != "Ada" || *people[0].Age != 36 || people[1].Age != nil || !people[1].At.Equal(at) || len(people[0].Tags) != 2 {
			t.Errorf("got %+v, %v", people, err)
		}
		if tag := rows.CommandTag(); tag.RowsAffected() != 2 {
			t.Errorf("got tag %v", tag)
		}
		rows, _ = r.Query(t.Context(), "select 1 as n union all select 2 order by 1")
		structs, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct{ N int }])
		if err != nil || len(structs) != 2 || structs[1].N != 2 {
			t.Errorf("got %v, %v", structs, err)
		}
		rows, _ = r.Query(t.Context(), "select 1, 'x', null::int")
		if !rows.Next() {
			t.Error(rows.Err())
		}
		if v, err := rows.Values(); err != nil || fmt.Sprint(v) != "[1 x <nil>]" {
			t.Errorf("got %v, %v", v, err)
		}
		rows.Close()
		if err := r.QueryRow(t.Context(), "select 1 where false").Scan(new(int)); !errors.Is(err, pgx.ErrNoRows) {
			t.Errorf("got %v", err)
		}
		if err := r.QueryRow(t.Context(), "select 'x'").Scan(new(time.Time)); err == nil {
			t.Error("a text was scanned into a time")
		}
		if err := r.QueryRow(t.Context(), "select 1, 2").Scan(new(int)); err == nil {
			t.Error("two columns were scanned into one")
		}
		if _, err := r.Exec(t.Context(), "select $1::int", "not a number"); err == nil {
			t.Error("a wrong argument was taken")
		}
		if tag, err := r.Exec(t.Context(), "select 1"); err != nil || tag.String() != "SELECT 1" {
			t.Errorf("got %v, %v", tag, err)
		}
	})
}

// One that fails gets its error, and its neighbours their results.
func TestReaderErrorsStayWithTheirCaller(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_conns=1&pool_reader_slow_after=1s")
	r := p.Reader()
	const sql = "select 100 / $1::int"
	untested := func() bool { return r.Counts().Reruns == 0 || r.Counts().Shared < 20 }
	crowdWhile(64, 50, untested, func(i, j int) {
		divisor := (i + j*7) % 50
		var got int
		err := r.QueryRow(t.Context(), sql, divisor).Scan(&got)
		var pgErr *pgconn.PgError
		if divisor == 0 {
			if !errors.As(err, &pgErr) || pgErr.Code != "22012" {
				t.Errorf("got %v, want a division by zero", err)
			}
		} else if err != nil || got != 100/divisor {
			t.Errorf("100/%d: got %d, %v", divisor, got, err)
		}
	})
	if untested() {
		t.Errorf("%d re-runs, %d shared: nothing was tested", r.Counts().Reruns, r.Counts().Shared)
	}
}

func TestReaderRefusesWrites(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_slow_after=1s")
	if _, err := p.Exec(t.Context(), "create table if not exists refused (id int)"); err != nil {
		t.Fatal(err)
	}
	r := p.Reader()
	crowd(16, func(int) {
		for sql, want := range map[string]string{
			"insert into refused values (1)":                                  "25006",
			"with x as (insert into refused values (1) returning 1) select 1": "25006",
			"/* a */ -- b\n (select id from refused for update)":              "25006",
			"delete from refused":                                             "25006",
			"begin":                                                           "not read", "set default_transaction_read_only = off": "not read", "commit": "not read", "": "not read", "listen x": "not read", "vacuum": "not read", "discard all": "not read",
		} {
			for range 3 {
				_, err := r.Exec(t.Context(), sql)
				var pgErr *pgconn.PgError
				if want == "not read" && !errors.Is(err, pool.ErrNotRead) || want != "not read" && (!errors.As(err, &pgErr) || pgErr.Code != want) {
					t.Errorf("%s: got %v, want %s", sql, err, want)
				}
			}
		}
	})
}

func TestReaderBatch(t *testing.T) {
	r := open(t, "pool_max_conns=2").Reader()
	for sql, want := range map[string]error{"select 7": nil, "begin": pool.ErrNotRead} {
		b := new(pgx.Batch)
		b.Queue("select $1::int", 5)
		b.Queue(sql)
		results := r.SendBatch(t.Context(), b)
		var got int
		if err := results.QueryRow().Scan(&got); !errors.Is(err, want) || err == nil && got != 5 {
			t.Errorf("%s: got %d, %v", sql, got, err)
		}
		if err := results.Close(); !errors.Is(err, want) {
			t.Errorf("%s: got %v", sql, err)
		}
	}
	b := new(pgx.Batch)
	b.Queue("create table never (id int)")
	var pgErr *pgconn.PgError
	if err := r.SendBatch(t.Context(), b).Close(); !errors.As(err, &pgErr) || pgErr.Code != "25006" {
		t.Errorf("got %v", err)
	}
}

func TestReaderCancelled(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_slow_after=1s")
	r := p.Reader()
	const sql = "select $1::int"
	var cancelled atomic.Int64
	crowd(64, func(i int) {
		for j := range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			if j%3 == 0 {
				time.AfterFunc(rand.N(300*time.Microsecond), cancel)
			}
			var got int
			err := r.QueryRow(ctx, sql, i*1000+j).Scan(&got)
			switch {
			case errors.Is(err, context.Canceled):
				cancelled.Add(1)
			case err != nil || got != i*1000+j:
				t.Errorf("got %d, %v; want %d", got, err, i*1000+j)
			}
			cancel()
		}
	})
	if cancelled.Load() == 0 {
		t.Error("nothing was cancelled")
	}
}

// A slow statement has a connection of its own, so that nobody waits for it: it shares
// one only when it is tried, at longer and longer intervals and with nobody behind it.
func TestReaderSlowNeighbours(t *testing.T) {
	const slow, fast = "select pg_sleep(0.05)", "select $1::int"
	config, err := pool.ParseConfig(server.DSN() + "&pool_max_conns=4")
	if err != nil {
		t.Fatal(err)
	}
	var slowShared, fastShared, slowRuns atomic.Int64
	config.Reader.Observe = func(_ context.Context, sql string, _ []any, _ time.Time, _ pgconn.CommandTag, _ error) {
		switch sql {
		case slow:
			slowShared.Add(1)
		case fast:
			fastShared.Add(1)
		}
	}
	p, err := pool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r := p.Reader()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = r.Exec(ctx, slow)
				slowRuns.Add(1)
			}
		})
	}
	const callers, each = 16, 2000
	crowdWhile(callers, each, func() bool { return fastShared.Load() < callers*each/2 }, func(i, _ int) {
		if err := r.QueryRow(t.Context(), fast, i).Scan(new(int)); err != nil {
			t.Error(err)
		}
	})
	wait.Until(t, "slow statements were run", func() bool { return slowRuns.Load() > 20 })
	cancel()
	wg.Wait()
	// Trials come after 4 runs, after 8 more, and so on.
	if n, runs := slowShared.Load(), slowRuns.Load(); float64(n) > math.Log2(float64(runs))+1 {
		t.Errorf("the slow statement has shared a connection in %d of %d runs", n, runs)
	}
	if n := fastShared.Load(); n < callers*each/2 {
		t.Errorf("%d of %d fast statements have shared a connection", n, callers*each)
	}
}

// A result that is too large to be held comes over a connection of its own.
func TestReaderLargeResults(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_slow_after=1s")
	r := p.Reader()
	const sql = "select repeat('x', 1000) from generate_series(1, $1::int)"
	crowd(16, func(i int) {
		for j := range 6 {
			n := 10
			for j == 1 && r.Counts().Shared == 0 && !t.Failed() { // until it is known
				if _, err := r.Exec(t.Context(), sql, n); err != nil {
					t.Error(err)
				}
			}
			if j > 1 {
				n = 3000
			}
			rows, err := r.Query(t.Context(), sql, n)
			if err != nil {
				t.Error(err)
				continue
			}
			got, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil || len(got) != n || len(got[n-1]) != 1000 {
				t.Errorf("got %d rows, %v; want %d", len(got), err, n)
			}
		}
	})
	if r.Counts().Moved == 0 {
		t.Error("no result was too large")
	}
}

// When the schema changes, statements are prepared again.
func TestReaderSchemaChange(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_slow_after=1s")
	exec := func(sql string) {
		if _, err := p.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("drop table if exists changing; create table changing (a int); insert into changing values (1)")
	r := p.Reader()
	for round := range 5 {
		crowd(32, func(int) {
			for range 20 {
				rows, err := r.Query(t.Context(), "select * from changing")
				if err != nil {
					t.Error(err)
					return
				}
				got, err := pgx.CollectRows(rows, pgx.RowToMap)
				if err != nil || len(got) != 1 || len(got[0]) != round+1 {
					t.Errorf("round %d: got %v, %v", round, got, err)
				}
			}
		})
		exec(fmt.Sprintf("alter table changing add column c%d text default 'x'", round))
	}
}

// Rows without columns are rows, also when they are held.
func TestReaderRowsWithoutColumns(t *testing.T) {
	p := open(t, "pool_max_conns=4&pool_reader_slow_after=1s")
	r := p.Reader()
	crowd(16, func(int) {
		for range 50 {
			rows, err := r.Query(t.Context(), "select from generate_series(1, 3)")
			n := 0
			for err == nil && rows.Next() {
				n++
			}
			if err == nil {
				err = rows.Err()
			}
			if n != 3 || err != nil {
				t.Errorf("%d rows, %v", n, err)
				return
			}
		}
	})
}
