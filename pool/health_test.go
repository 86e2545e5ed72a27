package pool

import (
	"testing"
	"time"
)

// Callers do not notice that idle connections were closed, whether the pool has seen
// one of them fail or finds them after a while.
func TestIdleConnectionsThatDied(t *testing.T) {
	own := startOwn(t, nil)
	p := openOwn(t, own.DSN()+"&pool_max_conns=8&pool_min_conns=8&pool_warm=true", nil)
	kill := func() {
		t.Helper()
		other := openOwn(t, own.DSN(), nil)
		if _, err := other.Exec(t.Context(), "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'"); err != nil {
			t.Fatal(err)
		}
		other.Close()
	}
	kill()
	time.Sleep(checkAfter + 200*time.Millisecond)
	for range 8 {
		if _, err := p.Exec(t.Context(), "select 1"); err != nil {
			t.Errorf("after a while: %v", err)
		}
	}
	// Fresh connections, of which one is in use while all are killed.
	crowd(8, func(int) { _, _ = p.Exec(t.Context(), "select pg_sleep(0.2)") })
	conn, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kill()
	if _, err := conn.Exec(t.Context(), "select 1"); err == nil {
		t.Fatal("the backend was not killed")
	}
	conn.Release()
	for range 8 {
		if _, err := p.Exec(t.Context(), "select 1"); err != nil {
			t.Errorf("after one has failed: %v", err)
		}
	}
}
