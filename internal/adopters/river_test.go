package adopters

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
)

type riverArgs struct {
	N int `json:"n"`
}

func (riverArgs) Kind() string { return "adopter" }

// riverWorker reads through one querier and writes through another. Every tenth job fails once.
type riverWorker struct {
	river.WorkerDefaults[riverArgs]
	reads  querier
	writes querier
}

func (w *riverWorker) Work(ctx context.Context, job *river.Job[riverArgs]) error {
	if job.Args.N%10 == 3 && job.Attempt == 1 {
		return errHook
	}
	var name string
	if err := w.reads.QueryRow(ctx, "select name from people where id = $1", 1+job.Args.N%100).Scan(&name); err != nil {
		return err
	}
	_, err := w.writes.Exec(ctx, "insert into done values ($1, $2)", job.Args.N, name)
	return err
}

// atOnce retries failed jobs at once.
type atOnce struct{}

func (atOnce) NextRetry(*rivertype.JobRow) time.Time { return time.Now() }

func TestRiver(t *testing.T) {
	t.Run("pgxpool", func(t *testing.T) {
		s := setup{dsn: newDatabase(t, peopleSchema+"create table done (n int, name text);")}
		p := s.openPgxpool(t)
		runRiver(t, riverpgxv5.New(p), p, p, heldOf(p))
	})
	t.Run("pool", func(t *testing.T) {
		s := setup{dsn: newDatabase(t, peopleSchema+"create table done (n int, name text);")}
		p := s.openPool(t)
		runRiver(t, riverpgxv5.New(p.Pool), p.Reader(), p, heldByCallers(p))
	})
}

// TestRiverDatabaseSQL uses River's driver for database/sql.
func TestRiverDatabaseSQL(t *testing.T) {
	open := func(t *testing.T, db *sql.DB) riverdriver.Driver[*sql.Tx] {
		t.Cleanup(func() { db.Close() })
		return riverdatabasesql.New(db)
	}
	t.Run("pgxpool", func(t *testing.T) {
		s := setup{dsn: newDatabase(t, peopleSchema+"create table done (n int, name text);")}
		p := s.openPgxpool(t)
		runRiver(t, open(t, stdlib.OpenDBFromPool(p)), p, p, heldOf(p))
	})
	t.Run("pool", func(t *testing.T) {
		s := setup{dsn: newDatabase(t, peopleSchema+"create table done (n int, name text);")}
		p := s.openPool(t)
		runRiver(t, open(t, stdlib.OpenDBFromPool(p.Pool)), p.Reader(), p, heldByCallers(p))
	})
	if openDB == nil {
		return
	}
	t.Run("OpenDB", func(t *testing.T) {
		s := setup{dsn: newDatabase(t, peopleSchema+"create table done (n int, name text);")}
		p := s.openPool(t)
		runRiver(t, open(t, openDB(p)), p.Reader(), p, heldByCallers(p))
	})
}

// heldOf returns how many connections of a pgxpool are in use.
func heldOf(p *pgxpool.Pool) func() int {
	return func() int { return int(p.Stat().AcquiredConns()) }
}

// heldByCallers returns how many connections are in use besides those that the Reader shares.
func heldByCallers(p *pool.Pool) func() int {
	return func() int {
		shared := 0
		for m := range p.Metrics() {
			if m.Name == "gqlboost.pool.reader.connections" {
				shared = int(m.Value)
			}
		}
		return heldOf(p.Pool)() - shared
	}
}

// runRiver works off jobs while other goroutines read.
func runRiver[TTx any](t *testing.T, driver riverdriver.Driver[TTx], reads, writes querier, held func() int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	defer cancel()
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{reads: reads, writes: writes})
	client, err := river.NewClient(driver, &river.Config{
		Logger: slog.New(slog.DiscardHandler), Workers: workers, RetryPolicy: atOnce{},
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 16}},
		FetchCooldown: 5 * time.Millisecond, FetchPollInterval: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(ctx); err != nil {
		t.Fatal(err)
	}
	jobs := statements(16) // each is some statements, and so are the reads beside them
	insertJobs(ctx, t, client, jobs)
	readMeanwhile(ctx, t, reads, func() bool { return count(ctx, t, writes, "select count(*) from done") < jobs })
	wait.Until(t, "river completes its jobs", func() bool {
		return count(ctx, t, writes, "select count(*) from river_job where state = 'completed'") == jobs
	})
	if err := client.Stop(ctx); err != nil {
		t.Error(err)
	}
	// Each job ran once and wrote the right name.
	if n := count(ctx, t, writes, "select count(*) from done where name = 'name ' || 1 + n % 100"); n != jobs {
		t.Errorf("%d jobs have written what they should, want %d", n, jobs)
	}
	if n := count(ctx, t, writes, "select count(distinct n) from done"); n != jobs {
		t.Errorf("%d jobs were done, want %d", n, jobs)
	}
	if failed := count(ctx, t, writes, "select count(*) from river_job where attempt > 1"); failed != (jobs+6)/10 {
		t.Errorf("%d jobs were tried again, want %d", failed, (jobs+6)/10)
	}
	wait.Until(t, "all connections are given back", func() bool { return held() == 0 })
}

func insertJobs[TTx any](ctx context.Context, t *testing.T, client *river.Client[TTx], jobs int) {
	var wg sync.WaitGroup
	for first := 0; first < jobs; first += 50 {
		wg.Go(func() {
			var params []river.InsertManyParams
			for n := first; n < min(first+50, jobs); n++ {
				params = append(params, river.InsertManyParams{Args: riverArgs{n}})
			}
			if _, err := client.InsertMany(ctx, params); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// readMeanwhile reads from many goroutines until more returns false.
func readMeanwhile(ctx context.Context, t *testing.T, reads querier, more func() bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for more() && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
		}
	}()
	fire(1<<30, func(i int) bool {
		select {
		case <-done:
			return false
		default:
		}
		var name string
		err := reads.QueryRow(ctx, "select name from people where id = $1", 1+i%100).Scan(&name)
		if want := fmt.Sprint("name ", 1+i%100); err != nil || name != want {
			t.Errorf("read %q, %v, want %q", name, err, want)
			return false
		}
		return true
	})
	<-done
}

// count returns the number that a statement selects.
func count(ctx context.Context, t *testing.T, db querier, sql string) (n int) {
	if err := db.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Error(err)
	}
	return n
}
