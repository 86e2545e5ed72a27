package reader_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
)

const closing = "select count(*) from closing where i <> $1"

// closingCallers is how many callers wait for a table in these tests.
const closingCallers = 16

// openClosing opens a pool whose Reader shares connections for reads of a table, and locks the
// table until unlock.
func openClosing(t *testing.T) (p *pool.Pool, unlock func()) {
	t.Helper()
	run(t, "drop table if exists closing", "create table closing as select i from generate_series(1, 10) i")
	p = open(t, "pool_max_conns=24&pool_reader_slow_after=1s")
	r := p.Reader()
	wait.Until(t, "its reads share connections", func() bool {
		crowd(closingCallers, func(i int) {
			if err := r.QueryRow(t.Context(), closing, i).Scan(new(int)); err != nil {
				t.Error(err)
			}
		})
		return r.Counts().Shared > closingCallers
	})
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	unlock = sync.OnceFunc(func() { conn.Close(context.Background()) })
	t.Cleanup(unlock)
	if _, err := conn.Exec(t.Context(), "begin; lock table closing"); err != nil {
		t.Fatal(err)
	}
	return p, unlock
}

// allUnderWay starts callers, and waits until each has been given its way.
func allUnderWay(t *testing.T, ctx context.Context, r *reader.Reader) (errs <-chan error) {
	t.Helper()
	direct, list := r.Counts().Direct, make(chan error, closingCallers)
	for i := range closingCallers {
		go func() { list <- r.QueryRow(ctx, closing, -i).Scan(new(int)) }()
	}
	wait.Until(t, "all are under way, most of them on shared connections", func() bool {
		alone := r.Counts().Direct - direct
		return alone < closingCallers/2 && int64(alone)+r.Underway() == closingCallers
	})
	return list
}

// As pgxpool's, Close lets statements end that are under way, and refuses new ones.
func TestCloseWaitsForStatements(t *testing.T) {
	p, unlock := openClosing(t)
	r := p.Reader()
	errs := allUnderWay(t, t.Context(), r)
	closed := make(chan struct{})
	go func() { p.Close(); close(closed) }()
	wait.Until(t, "new statements are refused", func() bool {
		_, err := r.Exec(t.Context(), "select 1")
		return errors.Is(err, pool.ErrClosed)
	})
	select {
	case <-closed:
		t.Error("it has not waited")
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	for range closingCallers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	<-closed
}

// It does not wait for a server that answers to nobody.
func TestCloseAfterCallersHaveLeft(t *testing.T) {
	p, _ := openClosing(t)
	ctx, cancel := context.WithCancel(t.Context())
	errs := allUnderWay(t, ctx, p.Reader())
	cancel()
	for range closingCallers {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	closed := make(chan struct{})
	go func() { p.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("it waits forever")
	}
}
