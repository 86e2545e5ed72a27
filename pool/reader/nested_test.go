package reader_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Transactions that read beside themselves need a connection more than there are transactions.
// With pgxpool that is enough, so it is with shared connections, and with an adaptive limit.
func TestReadsWithinTransactions(t *testing.T) {
	for _, parameters := range []string{"pool_max_conns=4", "pool_max_conns=8", "pool_max_conns=8&pool_adaptive=true"} {
		t.Run(parameters, func(t *testing.T) {
			p := open(t, parameters)
			r := p.Reader()
			wait.Until(t, "connections are shared", func() bool {
				crowd(32, func(i int) { _, _ = r.Exec(t.Context(), "select $1::int", i) })
				return p.Stat().AcquiredConns() > 1
			})
			conns := int(p.Config().MaxConns)
			plain, err := pgxpool.New(t.Context(), server.DSN()+fmt.Sprintf("&pool_max_conns=%d", conns))
			if err != nil {
				t.Fatal(err)
			}
			defer plain.Close()
			for name, sql := range map[string]string{
				"known":   "select $1::int",
				"unknown": "select $1::int + 0 * %d", // Only pgx knows what to do with it.
			} {
				readsWithin(t, "pgxpool, "+name, plain, plain.QueryRow, sql, conns-1)
				readsWithin(t, name, p, r.QueryRow, sql, conns-1)
				readsWithin(t, "the pool, "+name, p, p.QueryRow, sql, conns-1)
			}
		})
	}
}

// readsWithin begins n transactions, each of which reads beside itself.
func readsWithin(t *testing.T, name string, begin interface {
	Begin(context.Context) (pgx.Tx, error)
}, read func(context.Context, string, ...any) pgx.Row, sql string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var begun atomic.Int64
	crowd(n, func(i int) {
		text := sql
		if i := begun.Add(1); text != "select $1::int" {
			text = fmt.Sprintf(sql, i)
		}
		err := pgx.BeginFunc(ctx, begin, func(pgx.Tx) error {
			time.Sleep(50 * time.Millisecond) // Others begin meanwhile.
			var got int
			err := read(ctx, text, i).Scan(&got)
			if err == nil && got != i {
				t.Errorf("%s: got %d, want %d", name, got, i)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: transaction %d: %v", name, i, err)
		}
	})
}
