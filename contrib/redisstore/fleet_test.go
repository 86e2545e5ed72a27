package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/contrib/internal/redis"
	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
)

// starts are a server alone and a cluster.
var starts = map[string]func(*testing.T) []string{
	"alone":   func(t *testing.T) []string { return []string{redis.Start(t).Address} },
	"cluster": cluster,
}

const slow = 30 * time.Second // nothing takes as long

// Many instances count at the same time, and the ranking is the sum: of a model, as long as
// nothing fades.
func TestRankingIsTheSum(t *testing.T) {
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			client := connect(t, start(t)...)
			s := redisstore.New(client, redisstore.Options{Namespace: "shop[*]{x:"}) // whose signs mean nothing
			keep := plancache.Keep{Most: 1000, HalfLife: 1000 * time.Hour, TTL: time.Hour}
			want := map[string]float64{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for worker := range 8 {
				wg.Go(func() {
					random := rand.New(rand.NewPCG(1, uint64(worker)))
					for range 20 {
						uses := map[string]float64{} // In one call a member comes once.
						for range 30 {
							i := random.IntN(200)
							uses[fmt.Sprint(i)+strings.Repeat("\x00\xff member\r\n", i%20)] += float64(1 + random.IntN(1000))
						}
						var list []plancache.Use
						for m, n := range uses {
							list = append(list, plancache.Use{Member: m, Count: n})
						}
						if err := s.Count(t.Context(), "uses:plans:1", list, keep); err != nil {
							t.Error(err)
						}
						mu.Lock()
						for m, n := range uses {
							want[m] += n
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			check := func(n int, want map[string]float64) {
				t.Helper()
				list, err := s.Top(t.Context(), "uses:plans:1", n, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]float64{}
				for _, u := range list {
					got[u.Member] = u.Count
				}
				if !slices.IsSortedFunc(list, func(a, b plancache.Use) int { return int(b.Count - a.Count) }) {
					t.Error("they are not sorted")
				}
				if !maps.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-3*b }) { // What fades in this test
					t.Errorf("got %d members, want %d:\n%.300q\n%.300q", len(got), len(want), fmt.Sprint(got), fmt.Sprint(want))
				}
			}
			check(10_000, top(want, 10_000))
			check(17, top(want, 17))
			// What is used least leaves, with its member.
			keep.Most = 50
			if err := s.Count(t.Context(), "uses:plans:1", []plancache.Use{{Member: "new", Count: 1e9}}, keep); err != nil {
				t.Fatal(err)
			}
			want["new"] = 1e9
			check(10_000, top(want, 50))
			// With the time.
			for _, key := range []string{"uses", "members"} {
				key = "shop[*]{x:{uses:plans:1}:" + key
				left, err := client.Do(t.Context(), client.B().Pttl().Key(key).Build()).AsInt64()
				if err != nil || left <= 0 || left > time.Hour.Milliseconds() {
					t.Errorf("%s ends in %d ms, %v", key, left, err)
				}
			}
			if n, err := client.Do(t.Context(), client.B().Hlen().Key("shop[*]{x:{uses:plans:1}:members").Build()).AsInt64(); n != 51 || err != nil {
				t.Errorf("%d members are kept, %v", n, err)
			}
			// Bytes bound them all: a large one is left out, and smaller ones come.
			large := strings.Repeat("x", 1000)
			for m, n := range map[string]float64{large: 1e12, "first": 1e11, "second": 1e10} {
				if err := s.Count(t.Context(), "uses:plans:2", []plancache.Use{{Member: m, Count: n}}, keep); err != nil {
					t.Fatal(err)
				}
			}
			if list, err := s.Top(t.Context(), "uses:plans:2", 10, 11); len(list) != 2 || err != nil || list[0].Member != "first" || list[1].Member != "second" {
				t.Errorf("got %.300q, %v", fmt.Sprint(list), err)
			}
			if list, err := s.Top(t.Context(), "nothing", 10, 1<<20); len(list) != 0 || err != nil {
				t.Errorf("got %v, %v", list, err)
			}
		})
	}
}

// top returns the n members that have most.
func top(all map[string]float64, n int) map[string]float64 {
	most := map[string]float64{}
	for _, m := range slices.SortedFunc(maps.Keys(all), func(a, b string) int { return int(all[b] - all[a]) }) {
		if len(most) < n {
			most[m] = all[m]
		}
	}
	return most
}

// Uses fade by half in a half-life, and what is hardly used goes.
func TestRankingFades(t *testing.T) {
	s := redisstore.New(connect(t, redis.Start(t).Address), redisstore.Options{})
	keep := plancache.Keep{Most: 10, HalfLife: 400 * time.Millisecond, TTL: time.Hour}
	now := func() time.Time { return time.Now().Round(0) } // Redis knows the time of day, which may be set meanwhile.
	before := now()
	count := func(member string, n float64) {
		if err := s.Count(t.Context(), "g", []plancache.Use{{Member: member, Count: n}}, keep); err != nil {
			t.Fatal(err)
		}
	}
	count("a", 1e6)
	started := now()
	count("rare", 0.02)
	for range 6 {
		time.Sleep(keep.HalfLife / 2)
		from := now()
		count("b", 1)
		list, err := s.Top(t.Context(), "g", 10, 1<<20)
		if err != nil || len(list) < 2 || list[0].Member != "a" {
			t.Fatal(list, err)
		}
		// All of the time has counted that has passed for sure, but for a step; and no more than may have.
		most := 1e6 * math.Exp2(-float64(from.Sub(started)-2*time.Millisecond)/float64(keep.HalfLife)+1.0/8)
		least := 1e6 * math.Exp2(-float64(now().Sub(before)+2*time.Millisecond)/float64(keep.HalfLife))
		if list[0].Count > most || list[0].Count < least {
			t.Errorf("after %v: %v, want %v to %v", now().Sub(before), list[0].Count, least, most)
		}
		if now().Sub(before) > 3*keep.HalfLife {
			for _, u := range list {
				if u.Member == "rare" {
					t.Errorf("%v", u)
				}
			}
		}
	}
}

func TestLease(t *testing.T) {
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			s := redisstore.New(connect(t, start(t)...), redisstore.Options{Namespace: "plans:"})
			ctx := t.Context()
			hold := func(key string, ttl time.Duration) string {
				t.Helper()
				value, token, err := s.Lease(ctx, key, ttl)
				if value != nil || token == "" || err != nil {
					t.Fatalf("got %q, %q, %v", value, token, err)
				}
				return token
			}
			taken := func(key string) {
				t.Helper()
				if value, token, err := s.Lease(ctx, key, slow); !errors.Is(err, plancache.ErrLeased) {
					t.Fatalf("got %q, %q, %v", value, token, err)
				}
			}
			token := hold("a", slow)
			taken("a")
			if _, err := s.Get(ctx, "a"); !errors.Is(err, plancache.ErrNotFound) {
				t.Errorf("Get of a lease: %v", err)
			}
			for _, other := range []string{"", "x", hold("b", slow)} {
				if err := s.SetLeased(ctx, "a", other, []byte("evil"), 0); !errors.Is(err, plancache.ErrLeaseLost) {
					t.Errorf("another's token %q: %v", other, err)
				}
				if err := s.Release(ctx, "a", other); err != nil {
					t.Error(err)
				}
				taken("a")
			}
			plan := []byte("\x00\xff plan\r\n")
			if err := s.SetLeased(ctx, "a", token, plan, slow); err != nil {
				t.Error(err)
			}
			if value, token, err := s.Lease(ctx, "a", slow); string(value) != string(plan) || token != "" || err != nil {
				t.Errorf("got %q, %q, %v", value, token, err)
			}
			if err := s.SetLeased(ctx, "a", token, []byte("again"), 0); !errors.Is(err, plancache.ErrLeaseLost) {
				t.Errorf("twice: %v", err)
			}
			// The time of a plan is its own.
			if err := s.SetLeased(ctx, "short", hold("short", slow), plan, 20*time.Millisecond); err != nil {
				t.Error(err)
			}
			wait.Until(t, "it ends", func() bool { _, err := s.Get(ctx, "short"); return errors.Is(err, plancache.ErrNotFound) })
			// Each of these ends a lease.
			for what, end := range map[string]func(key, token string) error{
				"release": func(key, token string) error { return s.Release(ctx, key, token) },
				"delete":  func(key, _ string) error { return s.Delete(ctx, key) },
				"all":     func(string, string) error { return s.Delete(ctx, "e:*") },
			} {
				late := hold("e:"+what, slow)
				if err := end("e:"+what, late); err != nil {
					t.Error(err)
				}
				if err := s.SetLeased(ctx, "e:"+what, late, plan, 0); !errors.Is(err, plancache.ErrLeaseLost) {
					t.Errorf("%s: %v", what, err)
				}
				hold("e:"+what, slow)
			}
			late := hold("died", 20*time.Millisecond)
			var next string
			wait.Until(t, "another one gets it", func() bool {
				_, token, err := s.Lease(ctx, "died", slow)
				next = token
				return err == nil
			})
			if err := s.SetLeased(ctx, "died", late, []byte("late"), 0); !errors.Is(err, plancache.ErrLeaseLost) {
				t.Error(err)
			}
			if err := s.SetLeased(ctx, "died", next, plan, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// newInstance returns a cache of a fleet.
func newInstance(t *testing.T, schema string, addresses []string, every time.Duration) *plancache.Cache[string] {
	t.Helper()
	store := redisstore.New(connect(t, addresses...), redisstore.Options{})
	c, err := plancache.New(plancache.Options[string]{
		Schema: schema, Codec: text{}, Store: store, StoreTimeout: 10 * time.Second, Lease: slow,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Share(plancache.Uses{Ranking: store, Every: every, Timeout: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	return c
}

// Eight instances that start together build each plan once, with an empty fleet, a full one, and
// a new schema.
func TestFleetStartsTogether(t *testing.T) {
	const instances, queries = 8, 60
	query := func(i int) string { return fmt.Sprintf("query Q%d { user(id: %d) { name } }", i, i) }
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			addresses := start(t)
			var mu sync.Mutex
			builds := map[string]int{} // by schema and text
			build := func(ctx context.Context, key plancache.Key) (string, error) {
				version := plancache.SchemaVersion(ctx)
				mu.Lock()
				builds[version+key.Query]++
				mu.Unlock()
				time.Sleep(2 * time.Millisecond)
				if version == "2" && strings.HasPrefix(key.Query, "query Q7 ") {
					return "", errors.New("there is no such field")
				}
				return version + " plan of " + key.Query, nil
			}
			once := func(version string, n int) {
				t.Helper()
				mu.Lock()
				defer mu.Unlock()
				found := 0
				for at, n := range builds {
					if refused := strings.HasPrefix(at, "2query Q7 "); strings.HasPrefix(at, version) && !refused {
						found++
						if n != 1 {
							t.Errorf("%s: %d builds", at, n)
						}
					}
				}
				if found != n {
					t.Errorf("%d plans were built for version %s, want %d", found, version, n)
				}
			}
			open := func(version string, every time.Duration) (list []*plancache.Cache[string]) {
				for range instances {
					list = append(list, newInstance(t, version, addresses, every))
				}
				return list
			}
			all := func(caches []*plancache.Cache[string], do func(*plancache.Cache[string])) {
				var wg sync.WaitGroup
				for _, c := range caches {
					wg.Go(func() { do(c) })
				}
				wg.Wait()
			}
			first := open("1", 100*time.Millisecond)
			all(first, func(c *plancache.Cache[string]) {
				if w, err := c.WarmShared(t.Context(), plancache.WarmOptions{}, build); w != (plancache.Warmed{}) || err != nil {
					t.Errorf("an empty fleet: %+v, %v", w, err)
				}
			})
			all(first, func(c *plancache.Cache[string]) { // When none is warmed any more: what is used is told soon.
				for _, i := range rand.Perm(queries) {
					key := plancache.Key{Query: query(i)}
					for range 10 {
						if got, err := c.Load(t.Context(), key, func(ctx context.Context) (string, error) { return build(ctx, key) }); got != "1 plan of "+key.Query || err != nil {
							t.Errorf("got %q, %v", got, err)
						}
					}
				}
			})
			once("1", queries)
			wait.Until(t, "all is told", func() bool {
				n := uint64(0)
				for _, c := range first {
					n += c.Stats().Fleet.Told
				}
				return n >= instances*queries
			})
			warm := func(version string, want func(plancache.Warmed) bool) {
				all(open(version, time.Hour), func(c *plancache.Cache[string]) {
					w, err := c.WarmShared(t.Context(), plancache.WarmOptions{Concurrency: 4, Timeout: time.Minute}, build)
					if !want(w) || (w.Failed > 0) != (err != nil) {
						t.Errorf("version %s: %+v, %v", version, w, err)
					}
					for i := range queries {
						got, ok := c.Get(t.Context(), plancache.Key{Query: query(i)})
						if refused := version == "2" && i == 7; ok == refused || ok && got != version+" plan of "+query(i) {
							t.Errorf("version %s: %q, %v", version, got, ok)
						}
					}
				})
			}
			warm("1", func(w plancache.Warmed) bool { return w == plancache.Warmed{Fetched: queries} })
			once("1", queries)
			warm("2", func(w plancache.Warmed) bool { return w.Built+w.Fetched == queries-1 && w.Failed == 1 })
			once("2", queries-1)
		})
	}
}

// A holder that is gone, and a server that dies while all wait, keep nobody from a plan.
func TestFleetLosesHolderAndServer(t *testing.T) {
	server := redis.Start(t)
	store := redisstore.New(connect(t, server.Address), redisstore.Options{})
	const lease = time.Second
	open := func() *plancache.Cache[string] {
		own := redisstore.New(connect(t, server.Address), redisstore.Options{})
		c, err := plancache.New(plancache.Options[string]{Schema: "1", Codec: text{}, Store: own, StoreTimeout: 5 * time.Second, Lease: lease})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.Share(plancache.Uses{Ranking: own, Every: 20 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	var caches []*plancache.Cache[string]
	for range 8 {
		caches = append(caches, open())
	}
	// The key of a plan is not known here: a cache that stops in a build holds its lease.
	dead := open()
	building := make(chan struct{})
	hang := make(chan struct{})
	defer close(hang)
	go func() {
		_, _ = dead.Load(context.Background(), plancache.Key{Query: "{ q }"}, func(context.Context) (string, error) {
			close(building)
			<-hang
			return "late", nil
		})
	}()
	<-building
	var builds atomic.Int64
	load := func(key string, during func()) {
		t.Helper()
		builds.Store(0)
		var wg sync.WaitGroup
		for _, c := range caches {
			wg.Go(func() {
				plan, err := c.Load(t.Context(), plancache.Key{Query: key}, func(context.Context) (string, error) {
					builds.Add(1)
					return "plan", nil
				})
				if plan != "plan" || err != nil {
					t.Errorf("got %q, %v", plan, err)
				}
			})
		}
		during()
		wg.Wait()
	}
	load("{ q }", func() {})
	if n := builds.Load(); n != 1 {
		t.Errorf("%d builds after a holder was lost", n)
	}
	// The next one as well, and the server dies meanwhile.
	building2 := make(chan struct{})
	go func() {
		_, _ = dead.Load(context.Background(), plancache.Key{Query: "{ r }"}, func(context.Context) (string, error) {
			close(building2)
			<-hang
			return "late", nil
		})
	}()
	<-building2
	late := open()
	load("{ r }", server.Kill)
	if n := builds.Load(); n < 1 || n > 8 {
		t.Errorf("%d builds while the server died", n)
	}
	start := time.Now()
	if _, err := late.WarmShared(t.Context(), plancache.WarmOptions{}, func(context.Context, plancache.Key) (string, error) { return "", nil }); err == nil {
		t.Error("a server that is down gave plans")
	}
	if took := time.Since(start); took > slow {
		t.Errorf("it took %v", took)
	}
	server.Restart()
	wait.Until(t, "uses are told again", func() bool {
		for _, c := range caches {
			c.Get(t.Context(), plancache.Key{Query: "{ r }"})
		}
		list, err := store.Top(t.Context(), "uses:plans:versions", 10, 1000)
		return err == nil && len(list) == 1
	})
}

// Whatever somebody has written to the server, a start goes on.
func TestHostileRanking(t *testing.T) {
	server := redis.Start(t)
	client := connect(t, server.Address)
	first := newInstance(t, "1", []string{server.Address}, 20*time.Millisecond)
	build := func(_ context.Context, key plancache.Key) (string, error) { return "plan of " + key.Query, nil }
	key := plancache.Key{Query: "{ good }"}
	if _, err := first.Load(t.Context(), key, func(ctx context.Context) (string, error) { return build(ctx, key) }); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "it is told", func() bool { first.Get(t.Context(), key); return first.Stats().Fleet.Told > 3 })
	_ = first.Close()
	keys, err := client.Do(t.Context(), client.B().Keys().Pattern("*{uses:plans:*}:uses").Build()).AsStrSlice()
	if err != nil || len(keys) != 2 {
		t.Fatal(keys, err)
	}
	i := slices.IndexFunc(keys, func(k string) bool { return !strings.Contains(k, "versions") })
	uses, members := keys[i], strings.TrimSuffix(keys[i], "uses")+"members"
	put := func(id, member string) {
		t.Helper()
		for _, err := range []error{
			client.Do(t.Context(), client.B().Zadd().Key(uses).ScoreMember().ScoreMember(math.Inf(1), id).Build()).Error(),
			client.Do(t.Context(), client.B().Hset().Key(members).FieldValue().FieldValue(id, member).Build()).Error(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	put("huge", strings.Repeat("x", 64<<20))
	put("large", strings.Repeat("\xff", 1<<20))
	put("garbage", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	put("plain", "{ plain }")
	for n := range 500 {
		put(fmt.Sprint("nothing", n), "")
	}
	w, err := newInstance(t, "1", []string{server.Address}, time.Hour).WarmShared(t.Context(), plancache.WarmOptions{Most: 5000}, build)
	if want := (plancache.Warmed{Fetched: 1, Invalid: 3}); w != want && w != (plancache.Warmed{Built: 1, Invalid: 3}) || err != nil {
		t.Errorf("got %+v, %v", w, err)
	}
	// Keys of another type are an error.
	for _, k := range keys {
		if err := client.Do(t.Context(), client.B().Set().Key(k).Value("x").Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	if w, err := newInstance(t, "1", []string{server.Address}, time.Hour).WarmShared(t.Context(), plancache.WarmOptions{}, build); w != (plancache.Warmed{}) || err == nil {
		t.Errorf("got %+v, %v", w, err)
	}
}

// A server that evicts one of a group's keys does not keep members for good that nobody counts, and
// what is left goes with the group.
func TestRankingIsEvicted(t *testing.T) {
	client := connect(t, redis.Start(t).Address)
	s := redisstore.New(client, redisstore.Options{Namespace: "shop:"})
	keep := plancache.Keep{Most: 10, HalfLife: time.Hour, TTL: time.Hour}
	run := func(args ...string) int64 {
		t.Helper()
		n, err := client.Do(t.Context(), client.B().Arbitrary(args...).Build()).AsInt64()
		if err != nil {
			t.Fatal(args, err)
		}
		return n
	}
	const uses, members = "shop:{g}:uses", "shop:{g}:members"
	for round := range 20 {
		var list []plancache.Use
		for i := range 10 {
			list = append(list, plancache.Use{Member: fmt.Sprint(round, "/", i), Count: 1})
		}
		if err := s.Count(t.Context(), "g", list, keep); err != nil {
			t.Fatal(err)
		}
		evicted := []string{uses, members}[round%2]
		if ttl := run("PTTL", members); ttl <= 0 {
			t.Errorf("round %d: the members have a time to live of %d", round, ttl)
		}
		if n := run("HLEN", members); n > 21 {
			t.Fatalf("round %d: %d members where 10 are kept", round, n)
		}
		run("DEL", evicted)
	}
	if err := s.Count(t.Context(), "g", []plancache.Use{{Member: "a", Count: 9}}, keep); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Top(t.Context(), "g", 100, 1<<20); err != nil || list[0].Member != "a" {
		t.Errorf("got %v, %v", list, err)
	}
}

// Deleting all plans leaves what is known of their use: a bridge does that when it may have missed
// some, and the instances that start next are not to be cold.
func TestDeletionsLeaveRankings(t *testing.T) {
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			s := redisstore.New(connect(t, start(t)...), redisstore.Options{Namespace: "a{b}:"})
			keep := plancache.Keep{Most: 10, HalfLife: time.Hour, TTL: time.Hour}
			if err := s.Count(t.Context(), "uses:plans", []plancache.Use{{Member: "a", Count: 2}}, keep); err != nil {
				t.Fatal(err)
			}
			if err := s.Set(t.Context(), "k:1", []byte("plan"), time.Hour); err != nil {
				t.Fatal(err)
			}
			if err := s.Remove(t.Context(), []string{"*"}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), "k:1"); !errors.Is(err, plancache.ErrNotFound) {
				t.Errorf("the plan: %v", err)
			}
			if list, err := s.Top(t.Context(), "uses:plans", 10, 100); err != nil || len(list) != 1 {
				t.Errorf("the ranking: %v, %v", list, err)
			}
		})
	}
}

func TestRankingMisuse(t *testing.T) {
	client := connect(t, redis.Start(t).Address)
	s := redisstore.New(client, redisstore.Options{})
	keep := plancache.Keep{Most: 1, HalfLife: time.Hour, TTL: time.Hour}
	for name, call := range map[string]func() error{
		"empty": func() error { return s.Count(t.Context(), "g", []plancache.Use{{Member: "", Count: 1}}, keep) },
		"none":  func() error { return s.Count(t.Context(), "g", []plancache.Use{{Member: "a"}}, keep) },
		"NaN": func() error {
			return s.Count(t.Context(), "g", []plancache.Use{{Member: "a", Count: math.NaN()}}, keep)
		},
		"infinite": func() error {
			return s.Count(t.Context(), "g", []plancache.Use{{Member: "a", Count: math.Inf(1)}}, keep)
		},
		"no bounds": func() error {
			return s.Count(t.Context(), "g", []plancache.Use{{Member: "a", Count: 1}}, plancache.Keep{})
		},
		"namespace": func() error {
			_, err := redisstore.New(client, redisstore.Options{Namespace: "{}:"}).Top(t.Context(), "g", 1, 1)
			return err
		},
	} {
		if call() == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	if err := s.Count(t.Context(), "g", nil, keep); err != nil {
		t.Error(err)
	}
}

// While a node of a cluster is gone, plans are built and instances start; afterwards the fleet
// goes on where it was.
func TestFleetLosesNode(t *testing.T) {
	servers, addresses := nodes(t)
	open := func() *plancache.Cache[string] {
		store := redisstore.New(connect(t, addresses...), redisstore.Options{})
		c, err := plancache.New(plancache.Options[string]{
			Schema: "1", Codec: text{}, Store: store, StoreTimeout: 200 * time.Millisecond, Lease: 200 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		uses := plancache.Uses{Ranking: store, Every: 20 * time.Millisecond, Timeout: 200 * time.Millisecond}
		if err := c.Share(uses); err != nil {
			t.Fatal(err)
		}
		return c
	}
	build := func(_ context.Context, key plancache.Key) (string, error) { return "plan of " + key.Query, nil }
	load := func(c *plancache.Cache[string], q string) {
		t.Helper()
		key := plancache.Key{Query: q}
		if got, err := c.Load(t.Context(), key, func(ctx context.Context) (string, error) { return build(ctx, key) }); got != "plan of "+q || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	caches := []*plancache.Cache[string]{open(), open()}
	told := func() (n uint64) {
		for _, c := range caches {
			for i := range 20 {
				load(c, fmt.Sprintf("{ q%d }", i))
			}
			n += c.Stats().Fleet.Told
		}
		return n
	}
	wait.Until(t, "uses are told", func() bool { return told() > 100 })
	late := open()
	for _, s := range servers { // One of them has the group.
		s.Kill()
		for i := range 10 {
			load(caches[i%2], fmt.Sprintf("{ without %s %d }", s.Address, i))
		}
		start := time.Now()
		w, err := late.WarmShared(t.Context(), plancache.WarmOptions{Timeout: 2 * time.Second}, build)
		if took := time.Since(start); took > slow {
			t.Errorf("a start without a node took %v: %+v, %v", took, w, err)
		}
		s.Restart()
	}
	before := told()
	wait.Until(t, "uses are told again", func() bool { return told() > before+100 })
	wait.Until(t, "a new instance is warm", func() bool {
		w, err := late.WarmShared(t.Context(), plancache.WarmOptions{}, build)
		return err == nil && w.Present+w.Fetched+w.Built >= 20
	})
}
