package matview_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/matview"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) {
		server = s
		os.Setenv("GQLBOOST_EXAMPLE_DSN", s.DSN())
	}))
}

// open returns a pool, with a view of its own: it counts the rows of a table.
func open(t *testing.T, with, index string) *pgxpool.Pool {
	t.Helper()
	return openView(t, "select count(*) n from TABLE "+with, index)
}

// openSlow is open with a view that takes as long as the sum of seconds in TABLE_slow.
func openSlow(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return openView(t, "select (select count(*) from TABLE) n, (select count(pg_sleep(s)) from TABLE_slow) slow", "create unique index on TABLE_view (n)")
}

func openView(t *testing.T, query, index string) *pgxpool.Pool {
	t.Helper()
	db := connect(t, server.DSN())
	for _, sql := range []string{"drop table if exists TABLE, TABLE_slow cascade", "create table TABLE (id int)", "create table TABLE_slow (s float8)", "create materialized view TABLE_view as " + query, index} {
		execute(t, db, sql)
	}
	return db
}

func connect(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	db, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// table is the name of a test's table, also for its subtests.
func table(t *testing.T) string {
	name, _, _ := strings.Cut(strings.ToLower(t.Name()), "/")
	return name
}

func execute(t *testing.T, db *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := db.Exec(context.Background(), strings.ReplaceAll(sql, "TABLE", table(t))); err != nil {
		t.Fatal(err)
	}
}

func query[V any](t *testing.T, db *pgxpool.Pool, sql string) (v V) {
	t.Helper()
	if err := db.QueryRow(context.Background(), strings.ReplaceAll(sql, "TABLE", table(t))).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// shown is what readers of the view see, -1 for nothing.
func shown(t *testing.T, db *pgxpool.Pool) (n int) {
	t.Helper()
	if err := db.QueryRow(context.Background(), "select n from "+table(t)+"_view").Scan(&n); err != nil {
		return -1
	}
	return n
}

func insert(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	execute(t, db, "insert into TABLE values (1)")
}

// leftovers counts what a refresher must not leave behind: locks, transactions, statements.
func leftovers(t *testing.T, db *pgxpool.Pool) int {
	t.Helper()
	return query[int](t, db, `select (select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database()))
		+ (select count(*) from pg_stat_activity where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()
			and backend_type = 'client backend')`)
}

func metrics(r *matview.Refresher) map[string]float64 {
	found := map[string]float64{}
	for m := range r.Metrics() {
		found[strings.TrimPrefix(m.Name, "gqlboost.matview.")] = m.Value
	}
	return found
}

// instance is a refresher that runs.
type instance struct {
	*matview.Refresher
	stop func() // returns when Run has returned
}

// run runs a refresher of the test's view, unless c has another one. Errors fail the test,
// unless c has OnError, but for looks that take a busy machine longer than their second.
func run(t *testing.T, db matview.DB, c matview.Options) instance {
	t.Helper()
	if c.View == "" {
		c.View = table(t) + "_view"
	}
	if c.Timeout == 0 {
		c.Timeout = time.Hour // The machine may be slow.
	}
	if c.OnError == nil {
		c.OnError = func(err error) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
	}
	r, err := matview.New(db, c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return instance{r, stop}
}

// errorLog keeps what OnError gets.
type errorLog struct {
	mu   sync.Mutex
	list []error
}

func (l *errorLog) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, err)
}

// has waits for an error.
func (l *errorLog) has(t *testing.T, what string, is func(error) bool) {
	t.Helper()
	wait.Until(t, what, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return slices.ContainsFunc(l.list, is)
	})
}

func says(text string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), text) }
}

// One of many instances refreshes, and when it goes another takes its place.
func TestOneLeads(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "with no data", "create unique index on TABLE_view (n)")
	defer db.Close()
	const every = 40 * time.Millisecond
	var instances []instance
	for range 4 {
		own, err := pool.New(t.Context(), server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer own.Close()
		i := run(t, own, matview.Options{View: "public.testoneleads_view", Every: every})
		defer i.stop()
		instances = append(instances, i)
	}
	leader := func() int {
		found, since := -1, time.Now()
		for i, r := range instances {
			if r.Leads() {
				// The lead does not go back and forth within an interval.
				if found >= 0 && instances[found].Leads() && time.Since(since) < every {
					t.Error("two refresh")
				}
				found = i
			}
		}
		return found
	}
	for left := len(instances); left > 0; left-- {
		insert(t, db)
		want := len(instances) - left + 1
		lead := -1
		wait.Until(t, "the view is fresh", func() bool { lead = leader(); return shown(t, db) == want && lead >= 0 })
		wait.Until(t, "the staleness is known", func() bool {
			if now := leader(); now >= 0 {
				lead = now
			}
			age, known := instances[lead].Staleness()
			return known && age < time.Minute
		})
		if m := metrics(instances[lead].Refresher); m["refreshes"] < 1 || m["duration"] <= 0 {
			t.Errorf("%v", m)
		}
		instances[lead].stop()
		if _, known := instances[lead].Staleness(); known || instances[lead].Leads() {
			t.Error("it leads after its end")
		}
	}
	if n := leftovers(t, db); n != 0 {
		t.Errorf("%d locks or transactions are left", n)
	}
}

// Instances refresh once per interval, all together, though some come and go.
func TestEveryHoldsOverAllInstances(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "", "create unique index on TABLE_view (n)")
	defer db.Close()
	const every = 200 * time.Millisecond
	total := func(list []instance) (sum float64) {
		for _, i := range list {
			sum += metrics(i.Refresher)["refreshes"]
		}
		return sum
	}
	start := time.Now()
	var all, gone []instance
	for range 5 {
		all = append(all, run(t, db, matview.Options{Every: every}))
	}
	for n := range 3 {
		wait.Until(t, "it is refreshed", func() bool { return total(all)+total(gone) > float64(3*n+2) })
		lead := max(0, slices.IndexFunc(all, func(i instance) bool { return i.Leads() }))
		all[lead].stop()
		gone, all = append(gone, all[lead]), slices.Delete(all, lead, lead+1)
		all = append(all, run(t, db, matview.Options{Every: every}))
	}
	for _, i := range all {
		i.stop()
	}
	if got, most := total(all)+total(gone), 1+time.Since(start).Seconds()/every.Seconds(); got > most {
		t.Errorf("%v refreshes where there is time for %v", got, most)
	}
}

// A view that others refresh is left to them, and an instance that starts does not refresh
// it again.
func TestRefreshesByOthersCount(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "", "create unique index on TABLE_view (n)")
	defer db.Close()
	own := connect(t, server.DSN())
	defer own.Close()
	looks := func(n int64) func() bool {
		return func() bool { s := own.Stat(); return s.AcquireCount() == n && s.AcquiredConns() == 0 }
	}
	var seen sync.WaitGroup
	seen.Add(2) // by the first instance, and by this test
	first := run(t, &startTogether{DB: own, looked: &seen}, matview.Options{Every: time.Hour, Patience: time.Millisecond})
	defer first.stop()
	wait.Until(t, "it has seen the view", looks(1))
	execute(t, db, "refresh materialized view concurrently TABLE_view")
	seen.Done()
	wait.Until(t, "it has looked when the view was due", looks(2))
	second := run(t, own, matview.Options{Every: time.Hour, Patience: time.Hour})
	defer second.stop()
	wait.Until(t, "the other has seen the view", looks(3))
	if n := metrics(first.Refresher)["refreshes"] + metrics(second.Refresher)["refreshes"]; n > 0 {
		t.Errorf("%v refreshes of a view that is fresh", n)
	}
	// One of those that start at the same time refreshes.
	var others []instance
	var looked sync.WaitGroup
	looked.Add(5)
	for range 5 {
		others = append(others, run(t, &startTogether{DB: db, looked: &looked}, matview.Options{Every: time.Hour, Patience: time.Millisecond}))
	}
	sum := func() (n float64) {
		for _, i := range others {
			n += metrics(i.Refresher)["refreshes"]
		}
		return n
	}
	wait.Until(t, "they refresh", func() bool { return sum() > 0 })
	for _, i := range others {
		i.stop()
	}
	if sum() != 1 {
		t.Errorf("%v refreshes by those that start at the same time", sum())
	}
	// A view without data is filled at once, whatever the age.
	execute(t, db, "refresh materialized view TABLE_view with no data")
	late := run(t, db, matview.Options{Every: time.Hour})
	defer late.stop()
	wait.Until(t, "it is filled", func() bool { return shown(t, db) == 0 })
}

// holdBegin holds back transactions.
type holdBegin struct{ began, goOn chan struct{} }

func (h *holdBegin) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if strings.HasPrefix(data.SQL, "begin") {
		h.began <- struct{}{}
		<-h.goOn
	}
	return ctx
}

func (h *holdBegin) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// A refresh that ends between the look at the view and the lock is seen.
func TestOtherIsFaster(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "", "create unique index on TABLE_view (n)")
	defer db.Close()
	hold := &holdBegin{began: make(chan struct{}), goOn: make(chan struct{})}
	config := db.Config()
	config.ConnConfig.Tracer = hold
	slow, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	i := run(t, slow, matview.Options{Every: time.Hour, Patience: time.Millisecond})
	defer i.stop()
	<-hold.began
	execute(t, db, "refresh materialized view concurrently TABLE_view")
	hold.goOn <- struct{}{}
	wait.Until(t, "its turn is over", func() bool { return slow.Stat().AcquiredConns() == 0 })
	if m := metrics(i.Refresher); m["refreshes"] != 0 || m["failures"] != 0 || i.Leads() {
		t.Errorf("%v", m)
	}
}

// startTogether makes instances wait until each of them has seen the view once.
type startTogether struct {
	matview.DB
	looked *sync.WaitGroup
	calls  int
}

func (s *startTogether) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if s.calls++; s.calls == 2 {
		s.looked.Done()
		s.looked.Wait()
	}
	return s.DB.Acquire(ctx)
}

// A reader of the view in a transaction does not stop its refresh, and is not stopped.
func TestReadersAreNotBlocked(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "", "create unique index on TABLE_view (n)")
	defer db.Close()
	reader, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "select * from testreadersarenotblocked_view"); err != nil {
		t.Fatal(err)
	}
	defer run(t, db, matview.Options{Every: 10 * time.Millisecond}).stop()
	insert(t, db)
	wait.Until(t, "the view is fresh", func() bool { return shown(t, db) == 1 })
	if err := reader.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
}

// A server that keeps the times of transactions knows how old the view is.
func TestCommitTimestamps(t *testing.T) {
	if os.Getenv(postgres.EnvDSN) != "" {
		t.Skip("needs a server of its own")
	}
	settings := postgres.Volatile()
	settings["track_commit_timestamp"] = "on"
	own, err := postgres.Start(t.Context(), postgres.Options{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Stop()
	defer func(before *postgres.Server) { server = before }(server)
	server = own
	db := open(t, "", "create unique index on TABLE_view (n)")
	defer db.Close()
	insert(t, db)
	looking := connect(t, server.DSN())
	defer looking.Close()
	young := run(t, looking, matview.Options{Every: time.Hour, Patience: time.Millisecond})
	wait.Until(t, "it has seen the view", func() bool { s := looking.Stat(); return s.AcquireCount() > 0 && s.AcquiredConns() == 0 })
	time.Sleep(100 * time.Millisecond) // Without the view's age, it would refresh after one.
	young.stop()
	if n := shown(t, db); n != 0 {
		t.Error("a view that is young is refreshed")
	}
	old := run(t, db, matview.Options{Every: 200 * time.Millisecond, Patience: time.Hour})
	wait.Until(t, "a view that is old is refreshed", func() bool { return shown(t, db) == 1 })
	old.stop()
}

// The defaults of sessions do not matter.
func TestSessionDefaults(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "", "create unique index on TABLE_view (n)")
	defer db.Close()
	insert(t, db)
	config := db.Config()
	for name, value := range map[string]string{"default_transaction_isolation": "serializable", "default_transaction_read_only": "on", "default_transaction_deferrable": "on", "search_path": "public"} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	other, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	one, two := run(t, other, matview.Options{Every: 10 * time.Millisecond}), run(t, other, matview.Options{Every: 10 * time.Millisecond})
	wait.Until(t, "the view is fresh", func() bool { return shown(t, db) == 1 })
	one.stop()
	insert(t, db)
	wait.Until(t, "the view is fresh", func() bool { return shown(t, db) == 1 })
	two.stop()
}

// Run runs once at a time, and may run again.
func TestRunTwice(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := open(t, "with no data", "create unique index on TABLE_view (n)")
	defer db.Close()
	i := run(t, db, matview.Options{Every: 10 * time.Millisecond})
	wait.Until(t, "the view is filled", func() bool { return shown(t, db) == 0 })
	if err := i.Run(t.Context()); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("Run runs twice: %v", err)
	}
	i.stop()
	insert(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- i.Run(ctx) }()
	wait.Until(t, "the view is fresh", func() bool { return shown(t, db) == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
