package pool

import (
	"testing"

	"github.com/gqlboost/gqlboost/internal/leasetest"
	"github.com/jackc/pgx/v5"
)

// The table is a store like any other.
func TestLeaseTable(t *testing.T) {
	own := startOwn(t, nil)
	leasetest.Run(t, func(t *testing.T) leasetest.Store {
		conn, err := pgx.Connect(t.Context(), own.DSN())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(t.Context()) })
		return &leaseTable{lease: &lease{conn: conn}}
	})
}
