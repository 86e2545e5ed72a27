package reader_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
)

// fleet is a primary with replicas.
type fleet struct {
	primary  *postgres.Server
	replicas []*postgres.Server
	admins   []*pool.Pool // of the replicas
}

func startFleet(t *testing.T, replicas int) *fleet {
	t.Helper()
	// With asynchronous commits a replica lags for as long as the primary's log is not written.
	f := &fleet{primary: startOwn(t, map[string]string{"synchronous_commit": "on"})}
	for range replicas {
		r := startReplica(t, f.primary)
		f.replicas = append(f.replicas, r)
		f.admins = append(f.admins, openOwn(t, r.DSN(), nil))
	}
	return f
}

// open opens a pool that reads from the replicas. Writes go to whichever server takes them.
func (f *fleet) open(t *testing.T, parameters string) *pool.Pool {
	t.Helper()
	var hosts, replicas []string
	for i, s := range append([]*postgres.Server{f.primary}, f.replicas...) {
		u, err := url.Parse(s.DSN())
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, u.Host)
		if i > 0 {
			replicas = append(replicas, s.DSN())
		}
	}
	dsn := fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable&target_session_attrs=read-write&pool_max_conns=24",
		strings.Join(hosts, ","))
	p := openOwn(t, dsn+"&pool_reader_replicas="+escape(strings.Join(replicas, " "))+parameters, nil)
	settle(t, p)
	return p
}

// exec runs a statement on a replica.
func (f *fleet) exec(t *testing.T, replica int, sql string) {
	t.Helper()
	if _, err := f.admins[replica].Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// settle waits until a replica is good and has all that was written.
func settle(t *testing.T, p *pool.Pool) {
	t.Helper()
	r, ctx := p.Reader(), t.Context()
	if _, err := p.Exec(ctx, "select pg_logical_emit_message(true, 'settle', '')"); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "a replica has all that was written", func() bool {
		before := r.Followed().Primary
		_, err := r.Exec(reader.WithToken(ctx, p.Token(ctx)), "select 1")
		return err == nil && r.Followed().Primary == before
	})
}

// readWays are all ways in which a statement gets to a server.
var readWays = map[string]func(ctx context.Context, r *pool.Reader, sql string) (n int, err error){
	"QueryRow": func(ctx context.Context, r *pool.Reader, sql string) (n int, err error) {
		return n, r.QueryRow(ctx, sql).Scan(&n)
	},
	"Query": func(ctx context.Context, r *pool.Reader, sql string) (int, error) {
		rows, err := r.Query(ctx, sql)
		if err != nil {
			return 0, err
		}
		return pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
	},
	"Exec": func(ctx context.Context, r *pool.Reader, sql string) (int, error) {
		tag, err := r.Exec(ctx, "select from generate_series(1, ("+sql+"))")
		return int(tag.RowsAffected()), err
	},
	"batch": func(ctx context.Context, r *pool.Reader, sql string) (n int, err error) {
		b := &pgx.Batch{}
		b.Queue(sql)
		b.Queue("select 1")
		results := r.SendBatch(ctx, b)
		err = results.QueryRow().Scan(&n)
		if closed := results.Close(); err == nil {
			err = closed
		}
		return n, err
	},
	"alone": func(ctx context.Context, r *pool.Reader, sql string) (n int, err error) {
		return n, r.QueryRow(reader.Alone(ctx), sql).Scan(&n)
	},
	"settings": func(ctx context.Context, r *pool.Reader, sql string) (n int, err error) {
		ctx = reader.WithSettings(ctx, reader.Settings{Role: "pg_monitor", GUC: map[string]string{"app.tenant": "a"}})
		return n, r.QueryRow(ctx, sql).Scan(&n)
	},
	"simple": func(ctx context.Context, r *pool.Reader, sql string) (n int, err error) {
		return n, r.QueryRow(ctx, sql, pgx.QueryExecModeSimpleProtocol).Scan(&n)
	},
	"named": func(ctx context.Context, r *pool.Reader, sql string) (n int, err error) {
		return n, r.QueryRow(ctx, sql+" where @yes", pgx.NamedArgs{"yes": true}).Scan(&n)
	},
	"volatile": func(ctx context.Context, r *pool.Reader, sql string) (n int, err error) {
		return n, r.QueryRow(ctx, "select ("+sql+") + 0 * random()::int").Scan(&n)
	},
}

// A read by a token never sees an older state, whichever way it goes, and not even where the Reader
// is wrong about its replicas, as it is for a moment when one was restarted.
func TestTokenWhereTheReplicaIsBehind(t *testing.T) {
	f := startFleet(t, 1)
	for name, parameters := range map[string]string{
		"sharing": "", "pooling": "&pool_reader_transaction_pooling=true",
		"simple": "&default_query_exec_mode=simple_protocol",
	} {
		t.Run(name, func(t *testing.T) { f.testBehind(t, f.open(t, "&pool_reader_token_wait=0"+parameters)) })
	}
	t.Run("isolation", f.testIsolation)
	t.Run("waits", f.testWaits)
	t.Run("privileges", f.testPrivileges)
}

func (f *fleet) testBehind(t *testing.T, p *pool.Pool) {
	ctx, r := t.Context(), p.Reader()
	const sql = "select n from counter"
	write := func() (n int, token reader.Token) {
		t.Helper()
		if err := p.QueryRow(ctx, "update counter set n = n + 1 returning n").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n, p.Token(ctx)
	}
	setup := "drop table if exists counter; create table counter (n int); insert into counter values (0); " +
		"grant select on counter to public"
	if _, err := p.Exec(ctx, setup); err != nil {
		t.Fatal(err)
	}
	settle(t, p)
	read := func(token reader.Token, want int, pretend bool) {
		t.Helper()
		for way, read := range readWays {
			crowd(8, func(int) {
				for range 3 {
					if pretend {
						r.Pretend()
					}
					if got, err := read(reader.WithToken(ctx, token), r, sql); err != nil || got != want {
						t.Errorf("%s: %d, %v, want %d", way, got, err, want)
					}
				}
			})
		}
	}
	n, token := write()
	for range 3 { // so that statements are known, and share connections
		read(token, n, false)
	}
	settle(t, p)
	old, before := n, r.Followed()
	read(token, n, false)
	if now := r.Followed(); now.Primary != before.Primary || now.Refused != before.Refused {
		t.Errorf("the replica has all there is, but: %+v, then %+v", before, now)
	}
	f.exec(t, 0, "select pg_wal_replay_pause()")
	defer f.exec(t, 0, "select pg_wal_replay_resume()")
	n, token = write()
	read(token, n, false)
	before = r.Followed()
	read(token, n, true)
	if now := r.Followed(); now.Refused == before.Refused {
		t.Error("the replica has refused nothing")
	}
	got, err := readWays["QueryRow"](ctx, r, sql)
	if err != nil || got != old && got != n {
		t.Errorf("without a token: %d, %v", got, err)
	}
}

// A replica that keeps the first snapshot of a transaction cannot compare before it takes that:
// nothing that follows a token is read there.
func (f *fleet) testIsolation(t *testing.T) {
	p := openOwn(t, f.primary.DSN()+"&default_transaction_isolation=repeatable%20read&pool_reader_replicas="+
		escape(f.replicas[0].DSN()), nil)
	r, ctx := p.Reader(), t.Context()
	onReplica := func(ctx context.Context) (yes bool) {
		if err := r.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&yes); err != nil {
			t.Error(err)
		}
		return yes
	}
	wait.Until(t, "the replica is used", func() bool { return onReplica(ctx) })
	if _, err := p.Exec(ctx, "select pg_logical_emit_message(true, 'isolation', '')"); err != nil {
		t.Fatal(err)
	}
	f.caughtUp(t, p, f.admins[0])
	for range 20 {
		if onReplica(reader.WithToken(ctx, p.Token(ctx))) {
			t.Error("a read by a token is on the replica")
		}
	}
	if n := r.Followed(); n.Primary != 20 || n.Refused != 0 {
		t.Errorf("%+v", n)
	}
}

// A replica that catches up is waited for; one that has stood still for the whole of a wait is not
// waited for again.
func (f *fleet) testWaits(t *testing.T) {
	p := f.open(t, "&pool_reader_token_wait=10s")
	ctx, r := t.Context(), p.Reader()
	f.exec(t, 0, "select pg_wal_replay_pause()")
	if _, err := p.Exec(ctx, "create table waits ()"); err != nil {
		t.Fatal(err)
	}
	follow, before := reader.WithToken(ctx, p.Token(ctx)), r.Followed()
	var resumed sync.WaitGroup
	resumed.Go(func() {
		time.Sleep(100 * time.Millisecond)
		_, _ = f.admins[0].Exec(ctx, "select pg_wal_replay_resume()")
	})
	var replica bool
	err := r.QueryRow(follow, "select pg_is_in_recovery() from (select count(*) from waits) w").Scan(&replica)
	if n := r.Followed(); err != nil || !replica || n.Waited != before.Waited+1 {
		t.Errorf("replica: %v, %v, %+v", replica, err, n)
	}
	resumed.Wait()

	short := f.open(t, "&pool_reader_token_wait=300ms")
	f.exec(t, 0, "select pg_wal_replay_pause()")
	defer f.exec(t, 0, "select pg_wal_replay_resume()")
	if _, err := short.Exec(ctx, "drop table waits"); err != nil {
		t.Fatal(err)
	}
	follow = reader.WithToken(ctx, short.Token(ctx))
	start := time.Now()
	const reads = 200 // that each would wait: a minute
	for range reads {
		if err := short.Reader().QueryRow(follow, "select pg_is_in_recovery()").Scan(&replica); err != nil || replica {
			t.Fatalf("replica: %v, %v", replica, err)
		}
	}
	if took := time.Since(start); took > reads*300*time.Millisecond/2 {
		t.Errorf("%d reads have taken %v", reads, took)
	}
}

// A role that may do nothing special follows tokens on replicas. One that may not ask which log it
// is has the primary, and replicas for all other reads.
func (f *fleet) testPrivileges(t *testing.T) {
	admin, ctx := openOwn(t, f.primary.DSN(), nil), t.Context()
	do := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	do("create role plain login")
	open := func() *pool.Pool {
		plain := func(s *postgres.Server) string { return strings.Replace(s.DSN(), "postgres@", "plain@", 1) }
		return openOwn(t, plain(f.primary)+"&pool_reader_replicas="+escape(plain(f.replicas[0])), nil)
	}
	settle(t, open())
	do("revoke execute on function pg_control_system() from public")
	defer do("grant execute on function pg_control_system() to public")
	p := open()
	wait.Until(t, "the replica is used", func() bool {
		var replica bool
		if err := p.Reader().QueryRow(ctx, "select pg_is_in_recovery()").Scan(&replica); err != nil {
			t.Error(err)
		}
		return replica
	})
	token, replica := p.Token(ctx), true
	err := p.Reader().QueryRow(reader.WithToken(ctx, token), "select pg_is_in_recovery()").Scan(&replica)
	if token.String() != "primary" || replica || err != nil {
		t.Errorf("token %q, replica: %v, %v", token, replica, err)
	}
}

// Tokens of other logs are for the primary: those of another cluster, of one before a failover, and
// of nobody.
func (f *fleet) testFailover(t *testing.T) {
	ctx := t.Context()
	p := f.open(t, "")
	if _, err := p.Exec(ctx, "create table failover (n int)"); err != nil {
		t.Fatal(err)
	}
	f.testOtherLogs(t, p)
	f.testPromotion(t, p)

	// A new replica misses what the old one has, becomes the primary, and writes less. Then the old one,
	// which follows nobody, is further in its log, and has nothing of the new one.
	late := startReplica(t, f.primary)
	f.replicas, f.admins = append(f.replicas, late), append(f.admins, openOwn(t, late.DSN(), nil))
	p = f.open(t, "")
	if err := late.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Exec(ctx, "insert into failover select generate_series(1, 20000)"); err != nil {
		t.Fatal(err)
	}
	lost := p.Token(ctx)
	f.caughtUp(t, p, f.admins[0])
	if err := f.primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := late.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	promote(t, p, f.admins[1])
	for i := range 50 {
		var n int
		_, err := p.Exec(ctx, "insert into failover values (1)")
		token := p.Token(ctx)
		if token.String() == "primary" || reader.LSN(token) >= reader.LSN(lost) {
			t.Fatalf("the token is %q (%X), the old one was %X", token, reader.LSN(token), reader.LSN(lost))
		}
		if err == nil {
			err = p.Reader().QueryRow(reader.WithToken(ctx, token), "select count(*) from failover").Scan(&n)
		}
		if err != nil || n != i+1 {
			t.Errorf("%d rows, %v, want %d", n, err, i+1)
		}
		f.onPrimary(t, p, "an old log", lost)
	}
	if h := p.Reader().Histories(); h[0] == h[1] {
		t.Errorf("an orphan is of the new log: %X", h)
	}
}

// onPrimary checks that a read by a token goes to the primary.
func (f *fleet) onPrimary(t *testing.T, p *pool.Pool, what string, token reader.Token) {
	t.Helper()
	before := p.Reader().Followed()
	_, err := p.Reader().Exec(reader.WithToken(t.Context(), token), "select 1")
	if n := p.Reader().Followed(); err != nil || n.Primary != before.Primary+1 {
		t.Errorf("a token of %s: %+v, %v", what, n, err)
	}
}

func (f *fleet) testOtherLogs(t *testing.T, p *pool.Pool) {
	forged, err := reader.ParseToken(someToken)
	if err != nil {
		t.Fatal(err)
	}
	unknown, _ := reader.ParseToken("no token")
	for what, token := range map[string]reader.Token{
		"another cluster": openOwn(t, server.DSN(), nil).Token(t.Context()), "nobody": forged, "no text of one": unknown,
	} {
		f.onPrimary(t, p, what, token)
	}
}

// testPromotion makes the first replica the primary. The other one follows it, and answers by
// its tokens.
func (f *fleet) testPromotion(t *testing.T, p *pool.Pool) {
	old := p.Token(t.Context())
	f.caughtUp(t, p, f.admins...)
	if err := f.primary.Kill(); err != nil {
		t.Fatal(err)
	}
	promote(t, p, f.admins[0])
	f.exec(t, 1, fmt.Sprintf("alter system set primary_conninfo = '%s'", f.replicas[0].SocketDSN()))
	f.exec(t, 1, "select pg_reload_conf()")
	p.Token(t.Context())
	f.onPrimary(t, p, "the log before the failover", old)
	wait.Until(t, "a replica is of the new log", func() bool { h := p.Reader().Histories(); return h[0] == h[2] })
	f.primary, f.replicas, f.admins = f.replicas[0], f.replicas[1:], f.admins[1:]
	settle(t, f.open(t, ""))
}

// caughtUp waits until replicas have all that was written.
func (f *fleet) caughtUp(t *testing.T, p *pool.Pool, replicas ...*pool.Pool) {
	t.Helper()
	var lsn string
	if err := p.QueryRow(t.Context(), "select pg_current_wal_flush_lsn()::text").Scan(&lsn); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "replicas have all there is", func() bool { return caughtUp(t, replicas, lsn) })
}

// promote makes a replica the primary of a pool.
func promote(t *testing.T, p *pool.Pool, replica *pool.Pool) {
	t.Helper()
	wait.Until(t, "a replica is promoted", func() bool {
		_, err := replica.Exec(t.Context(), "select pg_promote()")
		return err == nil
	})
	wait.Until(t, "it is the primary", func() bool {
		_, err := p.Exec(t.Context(), "truncate failover")
		return err == nil
	})
}
