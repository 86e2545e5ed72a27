package redisstore_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"

	"github.com/gqlboost/gqlboost/contrib/internal/redis"
	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/internal/leasetest"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
)

var _ pool.LeaseStore = (*redisstore.PoolShares)(nil)

func TestPoolShares(t *testing.T) {
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			addresses := start(t)
			leasetest.Run(t, func(t *testing.T) leasetest.Store {
				return redisstore.NewPoolShares(connect(t, addresses...), "")
			})
		})
	}
}

// command runs a command of Redis.
func command(t *testing.T, client rueidis.Client, args ...string) rueidis.RedisResult {
	t.Helper()
	r := client.Do(t.Context(), client.B().Arbitrary(args...).Build())
	if err := r.Error(); err != nil {
		t.Fatal(args[0], err)
	}
	return r
}

// set stores a value, and returns what was there.
func set(t *testing.T, client rueidis.Client, value string) (before string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = redisstore.NewPoolShares(client, "p:").Update(ctx, "f", func(v []byte, _ time.Time) ([]byte, error) {
		before = string(v)
		return []byte(value), nil
	})
	return before, err
}

// A flushed script is sent again, a fleet that is gone expires, and what another process of the server has
// written, which may be old, is lost.
func TestPoolSharesAreKept(t *testing.T) {
	server := redis.Start(t)
	client := connect(t, server.Address)
	expect := func(want, value string) {
		t.Helper()
		if got, err := set(t, client, value); got != want || err != nil {
			t.Fatalf("got %q, %v, not %q", got, err, want)
		}
	}
	expect("", "1")
	command(t, client, "SCRIPT", "FLUSH")
	expect("1", "2")
	if ttl, err := command(t, client, "PTTL", "p:f").AsInt64(); err != nil || ttl <= 0 || ttl > time.Hour.Milliseconds() {
		t.Errorf("it expires in %d ms, %v", ttl, err)
	}
	command(t, client, "DEL", "p:f")
	expect("", "3")
	command(t, client, "SAVE")
	expect("3", "4")
	server.Kill()
	if _, err := set(t, client, "5"); err == nil {
		t.Error("no error without a server")
	}
	server.Restart()
	client = connect(t, server.Address)
	if old, err := command(t, client, "HGET", "p:f", "value").ToString(); old != "3" || err != nil {
		t.Fatalf("the file has %q, %v", old, err)
	}
	expect("", "6")
	expect("6", "7")
	replica := redis.Start(t)
	follower, address := connect(t, replica.Address), strings.Split(server.Address, ":")
	command(t, follower, "REPLICAOF", address[0], address[1])
	wait.Until(t, "the replica has it", func() bool {
		value, err := follower.Do(t.Context(), follower.B().Hget().Key("p:f").Field("value").Build()).ToString()
		return err == nil && value == "7"
	})
	command(t, follower, "REPLICAOF", "NO", "ONE")
	client = follower
	expect("", "8")
}

// What is wrong with a server or a key is said, and is for good.
func TestPoolSharesAreRefused(t *testing.T) {
	client := connect(t, redis.Start(t).Address)
	for want, before := range map[string][]string{
		"is no fleet of pools": {"SET", "p:f", "x"},
		"hash of something":    {"HSET", "p:f", "name", "x"},
		"5000000 bytes":        {"HSET", "p:f", "run", "r", "token", "t", "value", strings.Repeat("x", 5_000_000)},
	} {
		command(t, client, before...)
		refused(t, client, want, "1")
		command(t, client, "DEL", "p:f")
	}
	refused(t, client, "5000000 bytes", strings.Repeat("x", 5_000_000))
	command(t, client, "ACL", "SETUSER", "default", "-info")
	refused(t, client, "TIME and INFO", "1")
	command(t, client, "ACL", "SETUSER", "default", "+info")
	if _, err := set(t, client, "1"); err != nil {
		t.Error(err)
	}
}

func refused(t *testing.T, client rueidis.Client, want, value string) {
	t.Helper()
	_, err := set(t, client, value)
	var permanent interface{ Permanent() bool }
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"p:f"`) ||
		!errors.As(err, &permanent) || !permanent.Permanent() {
		t.Errorf("not %q: %v", want, err)
	}
}

// replica is an instance of a fleet, under load.
type replica struct {
	*pool.Pool
	mu    sync.Mutex
	conns []net.Conn
	ended atomic.Bool
}

// crash ends all connections, and lets it open no other.
func (r *replica) crash() {
	r.ended.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
}

func (r *replica) leave() {
	r.ended.Store(true)
	r.Close()
}

// share is what it may open.
func (r *replica) share() int {
	for m := range r.Metrics() {
		if m.Name == "gqlboost.pool.lease.share" {
			return int(m.Value)
		}
	}
	return -1
}

// service is a fleet on a server of Postgres with 44 connections, 4 of them the superuser's.
type service struct {
	*testing.T
	dsn    string
	watch  *pgx.Conn
	load   sync.WaitGroup
	live   []*replica
	served atomic.Int64
	most   int
}

const serviceLimit, serviceReserve = 40, 8

func newService(t *testing.T) *service {
	t.Helper()
	settings := postgres.Volatile()
	maps.Copy(settings, map[string]string{"max_connections": "44", "superuser_reserved_connections": "4"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := postgres.Start(ctx, postgres.Options{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	s := &service{T: t, dsn: server.DSN()}
	if s.watch, err = pgx.Connect(t.Context(), s.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.load.Wait()
		_ = s.watch.Close(context.Background())
	})
	return s
}

func (s *service) config(client rueidis.Client) *pool.Config {
	s.Helper()
	c, err := pool.ParseConfig(s.dsn + "&pool_max_conns=50&pool_lease=f&pool_lease_every=1s&pool_lease_reserve=8&pool_reader_conns=2")
	if err != nil {
		s.Fatal(err)
	}
	c.Lease.Store = redisstore.NewPoolShares(client, "p:")
	return c
}

// join starts an instance.
func (s *service) join(client rueidis.Client) *replica {
	s.Helper()
	r, c := &replica{}, s.config(client)
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil && r.ended.Load() {
			conn.Close()
			return nil, errors.New("ended")
		}
		if err == nil {
			r.conns = append(r.conns, conn)
		}
		return conn, err
	}
	var err error
	if r.Pool, err = pool.NewWithConfig(s.Context(), c); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(r.leave)
	for range 12 {
		s.load.Go(func() {
			for !r.ended.Load() {
				if _, err := r.Exec(context.Background(), "select pg_sleep(0.003)"); err != nil && !r.ended.Load() {
					s.Error(err)
					return
				}
				s.served.Add(1)
			}
		})
	}
	s.live = append(s.live, r)
	return r
}

// leave ends the oldest instances.
func (s *service) leave(n int, end func(*replica)) {
	for _, r := range s.live[:n] {
		end(r)
	}
	s.live = s.live[n:]
}

// within fails the test if there are more connections than the server has for users.
func (s *service) within() (n int) {
	s.Helper()
	const count = "select count(*) - 1 from pg_stat_activity where backend_type = 'client backend'"
	if err := s.watch.QueryRow(context.Background(), count).Scan(&n); err != nil {
		s.Fatal(err)
	}
	if s.most = max(s.most, n); n > serviceLimit {
		s.Fatalf("%d connections of %d", n, serviceLimit)
	}
	return n
}

// divided waits until the instances have all of the server, and each serves.
func (s *service) divided(what string) {
	s.Helper()
	wait.Until(s, what, func() bool {
		s.within()
		sum := 0
		for _, r := range s.live {
			if r.share() < 1 {
				return false
			}
			sum += r.share()
		}
		return sum == serviceLimit-serviceReserve-len(s.live)
	})
	for _, r := range s.live {
		before := r.Stat().AcquireCount()
		wait.Until(s, "each serves", func() bool { s.within(); return r.Stat().AcquireCount() > before })
	}
}

// Twelve instances that come and go, with a cluster of Redis, never exceed the limit of Postgres.
func TestPoolSharesNeverExceedTheLimit(t *testing.T) {
	s, addresses := newService(t), cluster(t)
	start := func() { s.join(connect(t, addresses...)) }
	for range 6 {
		start()
	}
	s.divided("six have divided the server")
	for range 6 {
		start()
	}
	s.divided("twelve have")
	s.leave(4, (*replica).leave)
	s.divided("those that stay have what the old ones had")
	s.leave(2, (*replica).crash)
	s.divided("the others have what crashed ones had")
	t.Logf("%d connections at most, %d statements", s.most, s.served.Load())
}

// Without Redis all keep their shares, and nobody joins. When it is back, and has lost everything,
// they go on, a new one that comes first included, and never exceed the limit.
func TestPoolSharesWithoutRedis(t *testing.T) {
	s, server := newService(t), redis.Start(t)
	for range 4 {
		s.join(connect(t, server.Address))
	}
	s.divided("four have divided the server")
	late := connect(t, server.Address)
	failed := func() (n float64) {
		for _, r := range s.live {
			for m := range r.Metrics() {
				if m.Name == "gqlboost.pool.lease.errors" {
					n += m.Value
				}
			}
		}
		return n
	}
	before := make(map[*replica]int)
	for _, r := range s.live {
		before[r] = r.share()
	}
	server.Kill()
	wait.Until(t, "more heartbeats fail than an instance lives for", func() bool { s.within(); return failed() > 4*6 })
	for _, r := range s.live {
		if r.share() != before[r] {
			t.Errorf("a share of %d is %d", before[r], r.share())
		}
		served := s.served.Load()
		wait.Until(t, "it goes on", func() bool { s.within(); return s.served.Load() > served })
	}
	server.Restart()
	s.join(late)
	s.divided("five have divided the server")
	for range 3 {
		next := connect(t, server.Address)
		command(t, late, "FLUSHALL")
		s.join(next)
		s.divided("one more has its share")
	}
	t.Logf("%d connections at most, %d statements", s.most, s.served.Load())
}

// What is under the key and is no fleet is an error of New; who runs keeps his share.
func TestPoolSharesOfNoFleet(t *testing.T) {
	s, client := newService(t), connect(t, redis.Start(t).Address)
	r := s.join(client)
	s.divided("one has all of the server")
	for want, args := range map[string][]string{
		"cannot be read":       {"HSET", "p:f", "value", "garbage", "token", "another"},
		"is no fleet of pools": {"SET", "p:f", "x"},
	} {
		command(t, client, args...)
		p, err := pool.NewWithConfig(t.Context(), s.config(client))
		if err == nil {
			p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"p:f"`) {
			t.Errorf("not %q: %v", want, err)
		}
		if r.share() < 1 {
			t.Error("it has lost its share")
		}
		command(t, client, "DEL", "p:f")
		wait.Until(t, "it is stored again", func() bool {
			there, err := command(t, client, "HEXISTS", "p:f", "value").AsBool()
			return there && err == nil
		})
		s.divided("it has all again")
	}
}
