package pool

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
)

// memory is a LeaseStore that can fail, and hang whatever its context says.
type memory struct {
	calls atomic.Int64

	mu    sync.Mutex
	value []byte
	fails bool
	hangs chan struct{}
}

func (m *memory) set(fails bool, hangs chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails, m.hangs = fails, hangs
}

func (m *memory) Update(_ context.Context, _ string, change func([]byte, time.Time) ([]byte, error)) error {
	m.calls.Add(1)
	m.mu.Lock()
	fails, hangs := m.fails, m.hangs
	m.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	if fails {
		return errors.New("the store is down")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	value, err := change(m.value, time.Now())
	if err == nil {
		m.value = value
	}
	return err
}

// openStored opens a pool with a lease in a store.
func openStored(t *testing.T, store LeaseStore, onError func(error)) *Pool {
	t.Helper()
	c, err := ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	c.Lease = LeaseOptions{Fleet: "stored", Every: 100 * time.Millisecond, Store: store, OnError: onError}
	p, err := NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ends fails the test if a function does not return.
func ends(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal(what, " does not end")
	}
}

// While OnError blocks, the instance announces itself, and can be closed.
func TestLeaseOnErrorBlocks(t *testing.T) {
	store, blocked, called := &memory{}, make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := openStored(t, store, func(error) { once.Do(func() { close(called) }); <-blocked })
	defer close(blocked)
	store.set(true, nil)
	<-called
	store.set(false, nil)
	n := store.calls.Load()
	wait.Until(t, "heartbeats go on", func() bool { return store.calls.Load() > n+3 })
	ends(t, "Close", p.Close)
}

// OnError may close the pool.
func TestLeaseOnErrorCloses(t *testing.T) {
	store, opened, closed := &memory{}, make(chan *Pool, 1), make(chan struct{})
	p := openStored(t, store, func(error) {
		select {
		case p := <-opened:
			p.Close()
			close(closed)
		default:
		}
	})
	opened <- p
	store.set(true, nil)
	ends(t, "Close in OnError", func() { <-closed })
	ends(t, "Close", p.Close)
}

// A store that ignores its context is called once at a time, its failure is told, what comes of it later
// changes nothing, and the pool can be closed.
func TestLeaseStoreHangs(t *testing.T) {
	store, told := &memory{}, make(chan error, 100)
	p := openStored(t, store, func(err error) { told <- err })
	if _, err := p.Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	hangs := make(chan struct{})
	store.set(false, hangs)
	if err := <-told; !strings.Contains(err.Error(), "goes on") {
		t.Errorf("got %v", err)
	}
	n := store.calls.Load()
	if _, err := p.Exec(t.Context(), "select 1"); err != nil {
		t.Error("the last share is lost: ", err)
	}
	ends(t, "Close", p.Close)
	if got := store.calls.Load(); got != n {
		t.Errorf("%d calls while one goes on", got-n)
	}
	store.mu.Lock()
	before := string(store.value)
	store.mu.Unlock()
	close(hangs)
	wait.Until(t, "the call has ended", func() bool { return len(p.lease.turn) == 0 })
	store.mu.Lock()
	defer store.mu.Unlock()
	if string(store.value) != before {
		t.Errorf("a call that was left behind has stored %s", store.value)
	}
}

// New does not wait for longer than its context.
func TestLeaseStoreHangsAtFirst(t *testing.T) {
	hangs := make(chan struct{})
	store := &memory{hangs: hangs}
	defer close(hangs)
	c, err := ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	c.Lease = LeaseOptions{Fleet: "stored", Store: store}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	ends(t, "New", func() {
		if p, err := NewWithConfig(ctx, c); err == nil {
			p.Close()
		}
	})
}

// What is stored and is no fleet is an error of New, not a pool that never works. One that runs keeps its
// share.
func TestLeaseOfNoFleet(t *testing.T) {
	store, told := &memory{}, make(chan error, 100)
	running := openStored(t, store, func(err error) { told <- err })
	defer running.Close()
	for _, value := range []string{"garbage", `{"Members":[null]}`, `{"Members":3}`} {
		store.mu.Lock()
		store.value = []byte(value)
		store.mu.Unlock()
		c, err := ParseConfig(server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		c.Lease = LeaseOptions{Fleet: "stored", Store: store}
		if p, err := NewWithConfig(t.Context(), c); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			if err == nil {
				p.Close()
			}
			t.Errorf("%s: %v", value, err)
		}
	}
	if err := <-told; !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("told %v", err)
	}
	if _, err := running.Exec(t.Context(), "select 1"); err != nil {
		t.Error(err)
	}
}

// Names that Postgres cannot store are refused at once.
func TestLeaseNames(t *testing.T) {
	for _, name := range []string{"\xff", "a\x00b", strings.Repeat("x", 201)} {
		c, err := ParseConfig(server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		c.Lease.Fleet = name
		if p, err := NewWithConfig(t.Context(), c); err == nil || !strings.Contains(err.Error(), "Lease.Fleet") {
			if err == nil {
				p.Close()
			}
			t.Errorf("%.10q: %v", name, err)
		}
	}
	p := openOwn(t, server.DSN()+"&pool_lease=%C3%A9%27%22%3B--%25s+%F0%9F%90%98", nil)
	if _, err := p.Exec(t.Context(), "select 1"); err != nil {
		t.Error(err)
	}
}

// Instances with different search paths know each other, and a second table, which would hide some of
// them from the others, is refused.
func TestLeaseInAnySchema(t *testing.T) {
	own := startOwn(t, map[string]string{"max_connections": "30"})
	conn, err := pgx.Connect(t.Context(), own.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	run := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := New(t.Context(), own.DSN()+"&pool_lease=blog&search_path=nowhere"); err == nil ||
		!strings.Contains(err.Error(), "gqlboost_leases") {
		if err == nil {
			p.Close()
		}
		t.Errorf("without a schema: %v", err)
	}
	run(`create schema "tenant ""a"; create schema b`)
	const lease = "&pool_lease=blog&pool_lease_every=100ms&pool_max_conns=50"
	var pools []*Pool
	for _, path := range []string{`%22tenant%20%22%22a%22`, "b", "public"} {
		pools = append(pools, openOwn(t, own.DSN()+lease+"&search_path="+path, nil))
	}
	wait.Until(t, "all know each other", func() bool {
		for _, p := range pools {
			if p.lease.last.Load().members != len(pools) {
				return false
			}
		}
		return true
	})
	var schema string
	err = conn.QueryRow(t.Context(), "select min(relnamespace::regnamespace::text) from pg_class where relname = 'gqlboost_leases'").
		Scan(&schema)
	if err != nil || schema != `"tenant ""a"` {
		t.Errorf("the table is in %s: %v", schema, err)
	}
	run(`create table b.gqlboost_leases (fleet text primary key, value bytea not null)`)
	if p, err := New(t.Context(), own.DSN()+lease); err == nil || !strings.Contains(err.Error(), "gqlboost_leases and b.g") &&
		!strings.Contains(err.Error(), "b.gqlboost_leases and") {
		if err == nil {
			p.Close()
		}
		t.Errorf("two tables: %v", err)
	}
}
