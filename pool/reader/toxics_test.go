package reader_test

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/proxy"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
)

// behind opens a pool whose network can be made worse.
func behind(t *testing.T, parameters string, change func(*pool.Config)) (*pool.Pool, *proxy.Proxy) {
	t.Helper()
	c, err := pool.ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	x, err := proxy.New(net.JoinHostPort(c.ConnConfig.Host, strconv.Itoa(int(c.ConnConfig.Port))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return openOwn(t, "postgres://"+c.ConnConfig.User+"@"+x.Addr()+"/"+c.ConnConfig.Database+"?sslmode=disable&"+parameters, change), x
}

// Whatever the network does, an answer is the caller's own or an error, and all is
// well once the network is.
func TestReaderToxics(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p, x := behind(t, "pool_max_conns=8", nil)
	r := p.Reader()
	const delay = 20 * time.Millisecond // each way
	var answers, late, errs atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		crowd(64, func(i int) {
			for j := i; ctx.Err() == nil; j += 64 {
				query, cancel := context.WithTimeout(ctx, 2*time.Second)
				var got int
				start := time.Now()
				err := r.QueryRow(query, "select $1::int", j).Scan(&got)
				cancel()
				switch {
				case err != nil:
					errs.Add(1)
				case got != j:
					t.Errorf("got %d, want %d", got, j)
				default:
					answers.Add(1)
					if time.Since(start) >= 2*delay {
						late.Add(1)
					}
				}
			}
		})
	}()
	well := func() {
		t.Helper()
		failed, before := errs.Load(), answers.Load()
		wait.Until(t, "1000 answers, and no error between them", func() bool {
			if n := errs.Load(); n != failed {
				failed, before = n, answers.Load()
			}
			return answers.Load() > before+1000
		})
	}
	well()
	lost := func() int64 { return int64(r.Counts().Moved) + errs.Load() }
	for _, toxic := range []struct {
		name    string
		on, off func()
		felt    func() int64 // how many statements it has met
	}{
		{"latency", func() { x.SetDelay(delay) }, func() { x.SetDelay(0) }, late.Load},
		{"reset", x.Reset, func() {}, lost},
		{"slow", func() { x.SetRate(20_000) }, func() { x.SetRate(0) }, late.Load},
		{"half-open", func() { x.SetSilent(true) }, func() { x.SetSilent(false); x.Reset() }, lost},
	} {
		before := toxic.felt()
		toxic.on()
		wait.Until(t, toxic.name+" is felt", func() bool { return toxic.felt() >= before+4 })
		toxic.off()
		well()
		t.Logf("%s: %d answers, %d late, %d errors", toxic.name, answers.Load(), late.Load(), errs.Load())
	}
	stop()
	<-done
}

// sleeper opens a Reader on which a statement shares a connection that then sleeps for
// as many seconds as it is told. It returns how many statements had to leave a shared
// connection because of one that slept.
func sleeper(t *testing.T, seconds float64, parameters string) (moved uint64) {
	t.Helper()
	p := open(t, "pool_max_conns=4&pool_reader_conns=1&pool_reader_slow_after=1m&"+parameters)
	r := p.Reader()
	const sql = "select case when $1::float8 > 0 then pg_sleep($1) is null else true end"
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait() // also if it is given up
	defer stop()
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := r.Exec(ctx, sql, 0.0); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Until(t, "the statement shares", func() bool { return r.Counts().Shared > 100 })
	before := r.Counts().Moved
	if _, err := r.Exec(t.Context(), sql, seconds); err != nil {
		t.Error(err)
	}
	stop()
	wg.Wait()
	return r.Counts().Moved - before
}

// A shared connection on which nothing comes back is given up, and what was on it is
// answered by another.
func TestReaderGivesUpWhatIsStuck(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	// The one that sleeps may have a connection of its own, if no shared one is up just then.
	var moved uint64
	for range 3 {
		// Less than a minute, so only the watch ends it.
		if moved = sleeper(t, reader.StuckAfter.Seconds()+2, ""); moved >= 10 {
			return
		}
	}
	t.Errorf("%d statements left the connection, want all of about 17", moved)
}

// A statement that takes too long on a shared connection is run again on its own.
func TestReaderStatementTimeout(t *testing.T) {
	for _, mode := range []string{"", "&pool_reader_transaction_pooling=true"} {
		if moved := sleeper(t, 3, "pool_reader_statement_timeout=1500ms"+mode); moved == 0 {
			t.Errorf("%s: it was not stopped", mode)
		}
	}
}
