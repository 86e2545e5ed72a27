package plancache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// rankings is a Ranking that can be broken. Nothing fades in it.
type rankings struct {
	mu     sync.Mutex
	groups map[string]map[string]float64
	asked  []string // groups, by Top
	broken atomic.Bool
	slow   atomic.Int64
}

func newRankings() *rankings { return &rankings{groups: map[string]map[string]float64{}} }

func (r *rankings) enter() error {
	time.Sleep(time.Duration(r.slow.Load())) // It ignores contexts.
	if r.broken.Load() {
		return errDown
	}
	return nil
}

func (r *rankings) Count(_ context.Context, group string, uses []Use, keep Keep) error {
	if err := r.enter(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.groups[group] == nil {
		r.groups[group] = map[string]float64{}
	}
	for _, u := range uses {
		r.groups[group][u.Member] += u.Count
	}
	for _, u := range r.sorted(group)[min(keep.Most, len(r.groups[group])):] {
		delete(r.groups[group], u.Member)
	}
	return nil
}

func (r *rankings) sorted(group string) (list []Use) {
	for m, n := range r.groups[group] {
		list = append(list, Use{m, n})
	}
	return mostUsed(list, len(list))
}

// Top returns more than it is asked for: what it is given is not trusted.
func (r *rankings) Top(_ context.Context, group string, _, _ int) ([]Use, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, group)
	return r.sorted(group), nil
}

// put adds members that have so many uses.
func (r *rankings) put(group string, uses float64, members ...string) {
	for _, m := range members {
		_ = r.Count(context.Background(), group, []Use{{m, uses}}, Keep{Most: 1 << 20})
	}
}

func (r *rankings) get(group string) map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.groups[group])
}

func share(t *testing.T, c *Cache[string], u Uses) {
	t.Helper()
	if err := c.Share(u); err != nil {
		t.Fatal(err)
	}
}

func member(query string) string { return join(query, "", "") }

const testEvery = 10 * time.Second

func groupOf(version string) string {
	u := Uses{Name: "plans"}
	return u.groupOf(versionName(version))
}

// What the fleet is told is what was used: of a model with caches that are used at random, change
// the schema, halve their counts, replace plans, restore files, come and go.
func TestUsesAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRankings()
		want := map[string]map[string]float64{"1": {}, "2": {}}
		random := rand.New(rand.NewPCG(1, 2))
		build := func(context.Context) (string, error) { return "plan", nil }
		var caches []*Cache[string]
		add := func() {
			c := newTest(t, Options[string]{Schema: fmt.Sprint(1 + random.IntN(2)), TTL: Forever, Codec: jsonCodec[string]{}})
			share(t, c, Uses{Ranking: r, Every: testEvery})
			caches = append(caches, c)
		}
		for range 3 {
			add()
		}
		ticks := 0
		for range 5000 {
			c := caches[random.IntN(len(caches))]
			q := query(random.IntN(30))
			switch n := random.IntN(400); {
			case n == 0:
				time.Sleep(2 * testEvery)
				if err := c.SetSchema(t.Context(), fmt.Sprint(1+random.IntN(2)), Switch[string]{Keep: func(Key, string) bool { return true }}); err != nil {
					t.Error(err)
				}
				add()
			case n == 1 && len(caches) > 1:
				time.Sleep(2 * testEvery)
				var file strings.Builder
				if err := c.Save(&file); err != nil {
					t.Error(err)
				}
				c.Purge()
				if _, err := c.Restore(strings.NewReader(file.String())); err != nil {
					t.Error(err)
				}
			case n < 6:
				c.Add(t.Context(), Key{Query: q}, "another plan")
			case n < 10:
				time.Sleep(testEvery)
			case n < 12:
				g := c.current.Load()
				g.mu.Lock()
				g.policy.aged = -1 << 40
				g.policy.age(g.tick())
				g.mu.Unlock()
				ticks++
			default:
				if e := c.lookup(c.current.Load(), &Key{Query: q}); e != nil {
					want[c.Schema()][member(q)]++
				}
				if _, err := c.Load(t.Context(), Key{Query: q}, build); err != nil {
					t.Error(err)
				}
			}
		}
		time.Sleep(2 * testEvery)
		if ticks < 10 || len(caches) < 5 {
			t.Fatalf("%d halvings, %d caches", ticks, len(caches))
		}
		versions := map[string]float64{}
		for version, uses := range want {
			for _, n := range uses {
				versions[versionName(version)] += n
			}
			if got := r.get(groupOf(version)); !maps.Equal(got, uses) {
				t.Errorf("version %s: got %v\nwant %v", version, got, uses)
			}
		}
		if got := r.get("uses:plans:versions"); !maps.Equal(got, versions) {
			t.Errorf("got versions %v, want %v", got, versions)
		}
	})
}

// A new instance gets what is used most, and no more than it may.
func TestWarmShared(t *testing.T) {
	r, store := newRankings(), newMemory()
	for i := range 500 {
		r.put(groupOf("1"), float64(1000-i), member(query(i)))
	}
	open := func(capacity int) *Cache[string] {
		c := newTest(t, Options[string]{Schema: "1", Capacity: capacity, Codec: jsonCodec[string]{}, Store: store, StoreTimeout: time.Second})
		share(t, c, Uses{Ranking: r})
		return c
	}
	build := func(_ context.Context, key Key) (string, error) { return "plan of " + key.Query, nil }
	first := open(1000)
	w, err := first.WarmShared(t.Context(), WarmOptions{Most: 300}, build)
	if want := (Warmed{Built: 300}); w != want || err != nil {
		t.Errorf("got %+v, %v", w, err)
	}
	for i := range 400 {
		if got, ok := first.Get(t.Context(), Key{Query: query(i)}); ok != (i < 300) || ok && got != "plan of "+query(i) {
			t.Fatalf("%d: got %q, %v", i, got, ok)
		}
	}
	w, err = first.WarmShared(t.Context(), WarmOptions{Most: 310}, build)
	if want := (Warmed{Built: 10, Present: 300}); w != want || err != nil {
		t.Errorf("again: got %+v, %v", w, err)
	}
	w, err = open(200).WarmShared(t.Context(), WarmOptions{}, build)
	if want := (Warmed{Fetched: 200}); w != want || err != nil {
		t.Errorf("a small one: got %+v, %v", w, err)
	}
	bytes := 5 * len(member(query(0)))
	w, err = open(1000).WarmShared(t.Context(), WarmOptions{Bytes: bytes}, build)
	if err != nil || w.Fetched != 5 {
		t.Errorf("with %d bytes: got %+v, %v", bytes, w, err)
	}
	// What was warmed was not used: it does not keep itself in the ranking.
	first.sharing.Load().tell(t.Context())
	if n := r.get(groupOf("1"))[member(query(5))]; n != 1000-5+1 { // Get, above
		t.Errorf("%v uses", n)
	}
}

// Instances that start together take keys in different orders, and what is used most early.
func TestWarmSharedOrder(t *testing.T) {
	r := newRankings()
	for i := range 400 {
		r.put(groupOf("1"), float64(1000-i), member(fmt.Sprintf("%03d", i)))
	}
	var orders [2][]string
	for i := range orders {
		c := newTest(t, Options[string]{Schema: "1"})
		share(t, c, Uses{Ranking: r})
		_, err := c.WarmShared(t.Context(), WarmOptions{Concurrency: 1}, func(_ context.Context, key Key) (string, error) {
			orders[i] = append(orders[i], key.Query)
			return "", nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	for _, order := range orders {
		part := slices.Sorted(slices.Values(order[:neighbors]))
		if part[0] != "000" || part[neighbors-1] != fmt.Sprintf("%03d", neighbors-1) || slices.IsSorted(order[:neighbors]) {
			t.Errorf("the first are %v", order[:neighbors])
		}
	}
	if slices.Equal(orders[0], orders[1]) {
		t.Error("both orders are the same")
	}
}

// A new version of the schema starts with the texts of the older ones, which it checks.
func TestWarmSharedNewVersion(t *testing.T) {
	r := newRankings()
	store := newMemory()
	old := newTest(t, Options[string]{Schema: "old", Codec: jsonCodec[string]{}, Store: store, StoreTimeout: time.Second})
	if _, err := old.Load(t.Context(), Key{Query: "{ kept }"}, func(context.Context) (string, error) { return "plan for old", nil }); err != nil {
		t.Fatal(err)
	}
	r.put(groupOf("old"), 10, member("{ kept }"), member("{ gone }"), member("{ both }"))
	r.put(groupOf("older"), 1000, member("{ once }"))
	r.put(groupOf("new"), 5, member("{ both }"))
	r.put("uses:plans:versions", 1000, "0123456789abcdeg") // no name of a version
	r.put("uses:plans:versions", 10, versionName("old"))
	r.put("uses:plans:versions", 3, versionName("older"))
	r.put("uses:plans:versions", 2, versionName("new"))
	c := newTest(t, Options[string]{Schema: "new", Codec: jsonCodec[string]{}, Store: store, StoreTimeout: time.Second})
	share(t, c, Uses{Ranking: r})
	w, err := c.WarmShared(t.Context(), WarmOptions{Most: 4}, func(ctx context.Context, key Key) (string, error) {
		if key.Query == "{ gone }" {
			return "", errors.New("there is no such field")
		}
		return "plan for " + SchemaVersion(ctx), nil
	})
	if want := (Warmed{Built: 3, Failed: 1}); w != want || err == nil || !strings.Contains(err.Error(), "no such field") {
		t.Errorf("got %+v, %v", w, err)
	}
	for _, q := range []string{"{ kept }", "{ both }", "{ once }"} {
		if got, _ := c.Get(t.Context(), Key{Query: q}); got != "plan for new" {
			t.Errorf("%s: got %q", q, got)
		}
	}
	if want := []string{"uses:plans:versions", groupOf("new"), groupOf("old"), groupOf("older")}; !slices.Equal(r.asked, want) {
		t.Errorf("asked for %v, want %v", r.asked, want)
	}
}

// A fleet learns of versions of any kind: none, and whole schemas.
func TestShareAnyVersion(t *testing.T) {
	for _, version := range []string{"", strings.Repeat("type Query { a: Int }", 10_000), "\xff\x00"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRankings()
			old := newTest(t, Options[string]{Schema: version})
			share(t, old, Uses{Ranking: r})
			build := func(context.Context, Key) (string, error) { return "plan", nil }
			_, err := old.Load(t.Context(), Key{Query: "{ a }"}, func(context.Context) (string, error) { return "plan", nil })
			if err != nil {
				t.Fatal(err)
			}
			for range 100 {
				old.Get(t.Context(), Key{Query: "{ a }"})
				time.Sleep(time.Second)
			}
			for _, group := range []string{"uses:plans:versions", groupOf(version)} {
				for m := range r.get(group) {
					if m == "" || len(m) > 100 {
						t.Errorf("group %s has a member of %d bytes", group, len(m))
					}
				}
			}
			c := newTest(t, Options[string]{Schema: "new"})
			share(t, c, Uses{Ranking: r})
			if w, err := c.WarmShared(t.Context(), WarmOptions{}, build); w.Built != 1 || err != nil {
				t.Errorf("got %+v, %v", w, err)
			}
		})
	}
}

// Whatever is in the ranking, and whatever builds do, the start goes on in time.
func TestWarmSharedHostile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRankings()
		bad := []string{"", "\xff", "\x05{ a }", strings.Repeat("\xff", 30), join("", "", ""), join("{ a }", "", "") + "x",
			join(strings.Repeat("x", defaultMaxKey), "", "")}
		r.put(groupOf("1"), 1000, bad...)
		var exits []string
		for i := range 20 {
			exits = append(exits, member(fmt.Sprintf("exit %d", i)))
		}
		r.put(groupOf("1"), 100, exits...)
		r.put(groupOf("1"), 90, member("panic"), member("good"))
		r.put(groupOf("1"), 0.5, member("hang"), member("hang too")) // not among the first neighbors
		for i := range 200 {
			r.put(groupOf("1"), 1, member(query(i)))
		}
		c := newTest(t, Options[string]{Schema: "1"})
		share(t, c, Uses{Ranking: r})
		release := make(chan struct{})
		defer close(release)
		start := time.Now()
		w, err := c.WarmShared(t.Context(), WarmOptions{Timeout: time.Minute, Concurrency: 2}, func(_ context.Context, key Key) (string, error) {
			switch {
			case key.Query == "panic":
				panic("no")
			case strings.HasPrefix(key.Query, "exit"):
				return "", errors.New("refused")
			case strings.HasPrefix(key.Query, "hang"):
				<-release // whatever its context says
			}
			return "plan", nil
		})
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %v", took)
		}
		if w.Invalid != len(bad) || w.Failed != 21 || w.Built+w.Left != 203 || w.Left < 2 || w.Built < 1 {
			t.Errorf("got %+v", w)
		}
		if !errors.Is(err, context.DeadlineExceeded) || len(err.Error()) > 5000 || !strings.Contains(err.Error(), "13 further errors") {
			t.Errorf("got %v", err)
		}
		if s := c.Stats().Fleet.Warmed; s != w {
			t.Errorf("Stats has %+v", s)
		}
	})
}

// A ranking that is down, or hangs, costs a start its timeout at most, and requests nothing.
func TestRankingDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRankings()
		var errs atomic.Int64
		c := newTest(t, Options[string]{Schema: "1", OnError: func(error) { errs.Add(1) }})
		share(t, c, Uses{Ranking: r, Every: testEvery})
		build := func(context.Context, Key) (string, error) { return "plan", nil }
		r.broken.Store(true)
		if w, err := c.WarmShared(t.Context(), WarmOptions{}, build); !errors.Is(err, errDown) || w != (Warmed{}) {
			t.Errorf("got %+v, %v", w, err)
		}
		r.broken.Store(false)
		r.slow.Store(int64(time.Hour))
		start := time.Now()
		if w, err := c.WarmShared(t.Context(), WarmOptions{}, build); !errors.Is(err, context.DeadlineExceeded) || w != (Warmed{}) {
			t.Errorf("got %+v, %v", w, err)
		}
		if took := time.Since(start); took > 2*defaultTimeout {
			t.Errorf("it took %v", took)
		}
		for range 100 {
			if _, err := c.Load(t.Context(), Key{Query: "{ q }"}, func(context.Context) (string, error) { return "plan", nil }); err != nil {
				t.Error(err)
			}
			time.Sleep(testEvery)
		}
		if n := c.level; n != nil {
			t.Error("a cache without a store has a second level")
		}
		if s := c.Stats(); s.Fleet.Errors == 0 || uint64(errs.Load()) != s.Fleet.Errors {
			t.Errorf("%d errors were reported; %+v", errs.Load(), s.Fleet)
		}
		time.Sleep(3 * time.Hour) // All who hang come back.
		r.slow.Store(0)
		c.Get(t.Context(), Key{Query: "{ q }"})
		time.Sleep(3 * testEvery)
		if n := r.get(groupOf("1"))[member("{ q }")]; n == 0 {
			t.Error("it is not told again")
		}
	})
}

func TestShareMisuse(t *testing.T) {
	r := newRankings()
	c := newTest(t, Options[string]{})
	build := func(context.Context, Key) (string, error) { return "", nil }
	if _, err := c.WarmShared(t.Context(), WarmOptions{}, build); !errors.Is(err, ErrNotShared) {
		t.Error(err)
	}
	for _, u := range []Uses{
		{}, {Ranking: r, Name: "a:b"}, {Ranking: r, Name: strings.Repeat("a", 33)}, {Ranking: r, Every: -1}, {Ranking: r, TTL: -1},
		{Ranking: r, HalfLife: -1}, {Ranking: r, Timeout: -1}, {Ranking: r, Most: -1}, {Ranking: r, MaxKey: -1},
	} {
		if c.Share(u) == nil {
			t.Errorf("%+v was taken", u)
		}
	}
	share(t, c, Uses{Ranking: r})
	if err := c.Share(Uses{Ranking: r}); !errors.Is(err, errShared) {
		t.Error(err)
	}
	for _, o := range []WarmOptions{{Most: -1}, {Bytes: -1}, {Concurrency: -1}, {Timeout: -1}} {
		if _, err := c.WarmShared(t.Context(), o, build); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	if _, err := c.WarmShared(t.Context(), WarmOptions{}, nil); err == nil {
		t.Error("no build was taken")
	}
	_ = c.Close()
	if _, err := c.WarmShared(t.Context(), WarmOptions{}, build); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	late := newTest(t, Options[string]{})
	_ = late.Close()
	if err := late.Share(Uses{Ranking: r}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// Keys of results and persisted texts come from the fleet as well.
func TestShareLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRankings()
		u := Uses{Ranking: r, Every: testEvery}
		open := func() (*Results, *Persisted) {
			results, err := NewResults(ResultsOptions{Bytes: 1 << 20, TTL: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			persisted, err := NewPersisted(0)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(results.Share(u), persisted.Share(u)); err != nil {
				t.Fatal(err)
			}
			return results, persisted
		}
		results, persisted := open()
		key := ResultKey{Query: "{ posts }", Variables: []byte(`{"n":1}`), Extra: "ada", Schema: "7"}
		fills := 0
		fill := func(_ context.Context, key ResultKey) ([]byte, []string, error) {
			fills++
			return []byte(key.Query + string(key.Variables) + key.Extra), []string{"posts"}, nil
		}
		hash := HashQuery("{ posts }")
		persisted.Add(t.Context(), hash, "{ posts }")
		persisted.Add(t.Context(), HashQuery("{ unused }"), "{ unused }")
		for range 1000 {
			_, _ = results.Load(t.Context(), key, func(ctx context.Context) ([]byte, []string, error) { return fill(ctx, key) })
			if _, ok := persisted.Get(t.Context(), hash); !ok {
				t.Fatal("it is gone")
			}
		}
		time.Sleep(2 * testEvery)
		for group, want := range map[string]string{"uses:results": key.text(), "uses:texts": "{ posts }"} {
			got := r.get(group)
			if n := got[want]; len(got) != 1 || n < 500 || n > 2000 {
				t.Errorf("%s: got %v", group, got)
			}
		}
		r.put("uses:results", 1, "\xff", join("{ fails }", "", "", "", ""))
		r.put("uses:texts", 1, "")
		second, texts := open()
		w, err := second.WarmShared(t.Context(), WarmOptions{}, func(ctx context.Context, key ResultKey) ([]byte, []string, error) {
			if key.Query == "{ fails }" {
				return nil, nil, errors.New("refused")
			}
			return fill(ctx, key)
		})
		if want := (Warmed{Built: 1, Failed: 1, Invalid: 1}); w != want || err == nil {
			t.Errorf("got %+v, %v", w, err)
		}
		if data, ok := second.Get(key); string(data) != `{ posts }{"n":1}ada` || !ok || fills != 2 {
			t.Errorf("got %q, %v after %d fills", data, ok, fills)
		}
		_ = second.Invalidate(t.Context(), "posts")
		if _, ok := second.Get(key); ok {
			t.Error("it has no tag")
		}
		w, err = texts.WarmShared(t.Context(), WarmOptions{})
		if want := (Warmed{Built: 1, Invalid: 1}); w != want || err != nil {
			t.Errorf("got %+v, %v", w, err)
		}
		if text, ok := texts.Get(t.Context(), hash); text != "{ posts }" || !ok {
			t.Errorf("got %q, %v", text, ok)
		}
		if err := NewTrusted(slices.Values([]string{"{ a }"})).Share(u); err == nil {
			t.Error("a list of trusted documents was shared")
		}
		for _, end := range []func() error{results.Close, second.Close, persisted.Close, texts.Close, texts.Close} {
			if err := end(); err != nil {
				t.Error(err)
			}
		}
		if _, err := texts.WarmShared(t.Context(), WarmOptions{}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// A tally is bounded in keys and bytes, and has what is used most.
func TestTally(t *testing.T) {
	y := newTally(1000)
	for i := range 200_000 {
		y.use(query(i))
		y.use("often")
		y.use(strings.Repeat("x", 1001))
	}
	list := y.collect(1 << 20)
	if limit := len(y.shards) * shardUses; len(list) > limit || len(list) < limit/2 {
		t.Errorf("%d keys, where there is room for %d", len(list), limit)
	}
	if list[0].Member != "often" || list[0].Count < 100_000 || list[0].Count > 300_000 {
		t.Errorf("the first is %+v", list[0])
	}
	for i := range 500_000 {
		y.use(strings.Repeat("y", 980) + fmt.Sprint(i))
	}
	bytes := 0
	for _, u := range y.collect(1 << 20) {
		bytes += len(u.Member)
	}
	if limit := len(y.shards) * shardBytes; bytes > limit {
		t.Errorf("%d bytes, where there is room for %d", bytes, limit)
	}
	if len(y.collect(10)) != 0 {
		t.Error("it was not emptied")
	}
}
