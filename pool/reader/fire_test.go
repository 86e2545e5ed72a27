package reader_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/race"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// fire is what happens while many statements run.
type fire struct {
	statements, kills, restarts int64
	server                      *postgres.Server // that may be restarted; nil if restarts is 0
}

// ask runs one of some kinds of statements. Each returns its caller's number.
func ask(ctx context.Context, r *pool.Reader, kind, n int) (got int, err error) {
	switch kind {
	case 0:
		err = r.QueryRow(ctx, "select $1::int", n).Scan(&got)
	case 1:
		var text string
		if err = r.QueryRow(ctx, "select $1::int, repeat('x', 200)", n).Scan(&got, &text); err == nil && len(text) != 200 {
			return -1, nil
		}
	case 2:
		rows, _ := r.Query(ctx, "select $1::int + i * 0 from generate_series(1, 3) i", n)
		var list []int
		if list, err = pgx.CollectRows(rows, pgx.RowTo[int]); err == nil {
			got = list[0]
			if len(list) != 3 || list[2] != n {
				return -1, nil
			}
		}
	case 3: // Fails now and then, in the middle of others.
		err = r.QueryRow(ctx, "select $1::int / (case when $1::int % 7 = 0 then 0 else 1 end)", n).Scan(&got)
	case 4: // The table gets other columns meanwhile.
		rows, _ := r.Query(ctx, "select *, $1::int as token from burning", n)
		var list []map[string]any
		if list, err = pgx.CollectRows(rows, pgx.RowToMap); err == nil {
			if len(list) != 1 || list[0]["id"] != int32(1) {
				return -1, nil
			}
			got = int(list[0]["token"].(int32))
		}
	}
	return got, err
}

// under runs statements from 256 goroutines through a Reader, and looks whether each gets
// its own answer.
func under(t *testing.T, f fire, p *pool.Pool, dsn string) {
	admin, err := pgxAdmin(t, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	exec := func(sql string) bool {
		_, err := admin.Exec(t.Context(), sql)
		return err == nil
	}
	if !exec("drop table if exists burning; create table burning (id int); insert into burning values (1)") {
		t.Fatal("no table")
	}
	r := p.Reader()
	var asked, answers, failures, wrong atomic.Int64
	var wg sync.WaitGroup
	for i := range 256 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for n := i; asked.Add(1) <= f.statements; n += 256 {
				ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
				if random.IntN(20) == 0 {
					time.AfterFunc(time.Duration(random.IntN(500))*time.Microsecond, stop)
				}
				got, err := ask(ctx, r, random.IntN(5), n)
				if errors.Is(err, context.DeadlineExceeded) {
					t.Error("no answer in 20 s")
				}
				stop()
				switch {
				case err != nil:
					failures.Add(1)
				case got != n:
					wrong.Add(1)
				default:
					answers.Add(1)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	due := func(times, done int64) bool { return times > 0 && asked.Load() >= (done+1)*f.statements/(times+2) }
	kills, restarts, changes := int64(0), int64(0), 0
	for burning := true; burning; {
		select {
		case <-finished:
			burning = false
		case <-time.After(time.Millisecond):
		}
		if kills < f.kills && due(f.kills, kills) && exec("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by random() limit 1") {
			kills++
			if kills%10 == 0 && exec(fmt.Sprintf("alter table burning add column c%d text default 'x'", changes)) {
				changes++
			}
		}
		if restarts < f.restarts && due(f.restarts, restarts) {
			if err := f.server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			restarts++
		}
	}
	t.Logf("%d answers, %d errors, %d kills, %d restarts, %d changes of the schema; %d ran again", answers.Load(), failures.Load(), kills, restarts, changes, r.Counts().Lost+r.Counts().Reruns+r.Counts().Moved)
	if wrong.Load() > 0 {
		t.Errorf("%d wrong results", wrong.Load())
	}
	if answers.Load() < f.statements/2 || kills < f.kills*9/10 || restarts < f.restarts || changes < int(f.kills/12) {
		t.Error("not all of it happened")
	}
	// It is well again.
	wait.Until(t, "nothing is under way", r.Idle)
	wait.Until(t, "all connections are free but the shared ones", func() bool { return p.Stat().AcquiredConns() == r.Up() })
}

// pgxAdmin is a pool of one, which comes back after a restart.
func pgxAdmin(t *testing.T, dsn string) (*pool.Pool, error) {
	return pool.New(t.Context(), dsn+"&pool_max_conns=1")
}

// A million statements, with backends killed, the server restarted, contexts cancelled
// and the schema changed meanwhile. GQLBOOST_STRESS makes it the whole million under
// the race detector too.
func TestReaderUnderFire(t *testing.T) {
	f := fire{statements: 1_000_000, kills: 500, restarts: 5}
	if (testing.Short() || race.Enabled) && os.Getenv("GQLBOOST_STRESS") == "" {
		f = fire{statements: 100_000, kills: 50, restarts: 1}
	}
	if openAt == "" {
		f.server = startOwn(t, nil)
	} else {
		f = fire{statements: 50_000, kills: 50}
	}
	ignore := goleak.IgnoreCurrent()
	at := openAt
	if f.server != nil {
		at = f.server.DSN()
	}
	p, err := pool.New(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	admin := server.DSN()
	if f.server != nil {
		admin = at
	}
	under(t, f, p, admin)
	p.Close()
	if f.server != nil {
		f.server.Stop() // The one that was restarted has a goroutine.
	}
	goleak.VerifyNone(t, ignore)
}
