package adopters

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/internal/adopters/sqlcgen"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
)

var _ sqlcgen.DBTX = (*pool.Reader)(nil)

// TestAlone expects Alone to change no result.
func TestAlone(t *testing.T) {
	dsn := newDatabase(t, peopleSchema)
	for _, e := range environments(t, dsn) {
		t.Run(e.name, func(t *testing.T) {
			var cases []testCase[querier]
			for _, c := range reads() {
				run := c.run
				cases = append(cases, c)
				c.name = "alone: " + c.name
				c.run = func(ctx context.Context, db querier) (any, error) { return run(reader.Alone(ctx), db) }
				cases = append(cases, c)
			}
			compare(t, setup{dsn: e.dsn(t)}.systems(), cases, statements(4))
		})
	}
}

// TestAloneHasItsOwnTransaction expects no two statements to see the same now() in one session.
func TestAloneHasItsOwnTransaction(t *testing.T) {
	r := (setup{dsn: newDatabase(t, "")}).openPool(t).Reader()
	type transaction struct {
		pid   int
		began time.Time
	}
	var mu sync.Mutex
	seen := map[transaction]bool{}
	fire(statements(4), func(i int) bool {
		var x transaction
		err := r.QueryRow(reader.Alone(context.Background()), "select pg_backend_pid(), now()").Scan(&x.pid, &x.began)
		mu.Lock()
		defer mu.Unlock()
		if err != nil || seen[x] {
			t.Errorf("%v: two statements have shared the transaction of %v, or %v", i, x, err)
			return false
		}
		seen[x] = true
		return true
	})
}

// TestReaderRefusesCopyFrom calls the method that sqlc's DBTX asks for.
func TestReaderRefusesCopyFrom(t *testing.T) {
	s := setup{dsn: newDatabase(t, "create table copied (n int)")}
	p := s.openPool(t)
	n, err := p.Reader().CopyFrom(context.Background(), pgx.Identifier{"copied"}, []string{"n"}, pgx.CopyFromRows([][]any{{1}, {2}}))
	if n != 0 || err == nil || !strings.Contains(fmt.Sprint(err), "CopyFrom") {
		t.Errorf("got %d, %v, want an error that says what CopyFrom needs", n, err)
	}
	if n := count(context.Background(), t, p, "select count(*) from copied"); n != 0 {
		t.Errorf("%d rows were copied", n)
	}
}
