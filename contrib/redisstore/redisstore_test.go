package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/contrib/internal/redis"
	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/redis/rueidis"
	"go.uber.org/goleak"
)

// The client leaves goroutines that sleep for some seconds behind a cluster.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

func connect(t *testing.T, addresses ...string) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: addresses, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// text is the codec of plans that are texts.
type text struct{}

func (text) Encode(p string) ([]byte, error) { return []byte(p), nil }
func (text) Decode(b []byte) (string, error) { return string(b), nil }

func newCache(t *testing.T, store plancache.Store) *plancache.Cache[string] {
	t.Helper()
	c, err := plancache.New(plancache.Options[string]{Schema: "1", Codec: text{}, Store: store, StoreTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// cluster makes three servers a cluster.
func cluster(t *testing.T) (addresses []string) {
	t.Helper()
	_, addresses = nodes(t)
	return addresses
}

func nodes(t *testing.T) (servers []*redis.Server, addresses []string) {
	t.Helper()
	servers = redis.StartCluster(t)
	for _, s := range servers {
		addresses = append(addresses, s.Address)
	}
	return servers, addresses
}

// beside returns a client that sends what only reads to a replica.
func beside(t *testing.T, primary, replica string) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{primary}, DisableCache: true,
		Standalone:     rueidis.StandaloneOption{ReplicaAddress: []string{replica}},
		SendToReplicas: func(cmd rueidis.Completed) bool { return cmd.IsReadOnly() },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// A client that reads from replicas does not bring back what was deleted: a replica may lag.
func TestReplicaThatLags(t *testing.T) {
	primary, replica := redis.Start(t), redis.Start(t)
	_, port, _ := strings.Cut(primary.Address, ":")
	follow := func(args ...string) {
		t.Helper()
		c := connect(t, replica.Address)
		if err := c.Do(t.Context(), c.B().Arbitrary("REPLICAOF").Args(args...).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	follow("127.0.0.1", port)
	s := redisstore.New(beside(t, primary.Address, replica.Address), redisstore.Options{})
	if err := s.Set(t.Context(), "k", []byte("old"), time.Hour); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the replica has it", func() bool {
		c := connect(t, replica.Address)
		return c.Do(t.Context(), c.B().Get().Key(redisstore.DefaultNamespace+"k").Build()).Error() == nil
	})
	follow("NO", "ONE") // It follows no more.
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if value, err := s.Get(t.Context(), "k"); !errors.Is(err, plancache.ErrNotFound) {
		t.Errorf("got %q, %v", value, err)
	}
}

// A replica that is down is not in the way of a deletion.
func TestReplicaThatIsDown(t *testing.T) {
	primary, replica := redis.Start(t), redis.Start(t)
	s := redisstore.New(beside(t, primary.Address, replica.Address), redisstore.Options{})
	if err := s.Set(t.Context(), "a:1", []byte("plan"), time.Hour); err != nil {
		t.Fatal(err)
	}
	replica.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Delete(ctx, "a:*"); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(ctx, "a:1"); !errors.Is(err, plancache.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// A watch that ends while deletions arrive closes its channel behind the last of them. With -race, a
// message on its way to a closed channel is found even if it comes just in time.
func TestWatchEndsUnderLoad(t *testing.T) {
	client := connect(t, redis.Start(t).Address)
	s := redisstore.New(client, redisstore.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for range 4 {
		all.Go(func() {
			publish := client.B().Publish().Channel(redisstore.DefaultNamespace).Message("k").Build().Pin()
			for ctx.Err() == nil {
				_ = client.Do(ctx, publish).Error()
			}
		})
	}
	for range 500 {
		watch, cancel := context.WithCancel(t.Context())
		keys, err := s.Watch(watch)
		if err != nil {
			t.Fatal(err)
		}
		<-keys
		cancel()
		for range keys { // until it is closed
		}
	}
}

// hung is a client of servers that remove nothing, and do not say so.
type hung struct{ rueidis.Client }

func (h hung) DoMulti(ctx context.Context, multi ...rueidis.Completed) []rueidis.RedisResult {
	if len(multi) > 0 && multi[0].Commands()[0] == "UNLINK" {
		<-ctx.Done()
	}
	return h.Client.DoMulti(ctx, multi...)
}

// Watchers are told also of what could not be removed in time.
func TestDeleteTellsOfWhatHangs(t *testing.T) {
	client := connect(t, redis.Start(t).Address)
	keys, err := redisstore.New(client, redisstore.Options{}).Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	err = redisstore.New(hung{client}, redisstore.Options{}).Delete(ctx, "a:1")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	select {
	case key := <-keys:
		if key != "a:1" {
			t.Errorf("told of %q", key)
		}
	case <-time.After(5 * time.Second):
		t.Error("nobody was told")
	}
}

// Many keys are deleted and told of in one go.
func TestDeleteEach(t *testing.T) {
	s := redisstore.New(connect(t, cluster(t)...), redisstore.Options{})
	keys, err := s.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range 500 {
		list = append(list, fmt.Sprint("tag:", i))
		if err := s.Set(t.Context(), list[i], []byte("value"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteEach(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for range list {
		told[<-keys] = true
	}
	for _, key := range list {
		if _, err := s.Get(t.Context(), key); !told[key] || !errors.Is(err, plancache.ErrNotFound) {
			t.Errorf("%s: told %v, and then %v", key, told[key], err)
		}
	}
}

// scanned is a client that calls a function when a node has looked at its keys.
type scanned struct {
	rueidis.Client
	then func()
}

func (s scanned) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	defer s.then()
	return s.Client.Do(ctx, cmd)
}

// A plan that was begun before its version is deleted does not come in behind what removes the version.
func TestStoredBehindAScan(t *testing.T) {
	client := connect(t, redis.Start(t).Address)
	c := newCache(t, redisstore.New(client, redisstore.Options{}))
	key := plancache.Key{Query: "{ a }"}
	begun, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, _ = c.Load(t.Context(), key, func(context.Context) (string, error) { close(begun); <-release; return "old", nil })
	})
	<-begun
	soon := func(limit time.Duration, holds func() bool) bool {
		for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if holds() {
				return true
			}
		}
		return false
	}
	var once sync.Once
	slow := scanned{client, func() {
		once.Do(func() {
			if !soon(time.Minute, func() bool { return c.Stats().Store.Invalidations > 0 }) {
				t.Error("nobody was told before the scan")
			}
			close(release)
			stored := func() bool {
				n, _ := client.Do(t.Context(), client.B().Dbsize().Build()).AsInt64()
				return n > 0
			}
			if soon(time.Second, stored) {
				t.Error("it was stored, even if it is removed again later")
			}
		})
	}}
	if err := redisstore.New(slow, redisstore.Options{}).Delete(t.Context(), "*"); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	other := newCache(t, redisstore.New(client, redisstore.Options{}))
	got, err := other.Load(t.Context(), key, func(context.Context) (string, error) { return "new", nil })
	if got != "new" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// The same holds for a server alone and for a cluster.
func TestStore(t *testing.T) {
	for name, start := range map[string]func(*testing.T) []string{
		"alone":   func(t *testing.T) []string { return []string{redis.Start(t).Address} },
		"cluster": cluster,
	} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, start(t)...)
			s := redisstore.New(client, redisstore.Options{Namespace: "plans[*]?:"}) // whose signs mean nothing
			other := redisstore.New(client, redisstore.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			keys, err := s.Watch(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(ctx, "a:1"); !errors.Is(err, plancache.ErrNotFound) {
				t.Errorf("got %v", err)
			}
			value := []byte("\x00\xff plan\r\n")
			for _, key := range []string{"a:1", "a:2", "a:3", "a:4", "b:1"} {
				for _, store := range []*redisstore.Store{s, other} {
					if err := store.Set(ctx, key, value, time.Hour); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got, err := s.Get(ctx, "a:1"); string(got) != string(value) || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if err := s.Delete(ctx, "a:1"); err != nil {
				t.Error(err)
			}
			if err := s.Delete(ctx, "a:*"); err != nil {
				t.Error(err)
			}
			for _, want := range []string{"a:1", "a:*"} {
				if got := <-keys; got != want {
					t.Errorf("told of %q, want %q", got, want)
				}
			}
			for _, key := range []string{"a:1", "a:2", "a:3", "a:4"} {
				if _, err := s.Get(ctx, key); !errors.Is(err, plancache.ErrNotFound) {
					t.Errorf("%s: got %v", key, err)
				}
				if _, err := other.Get(ctx, key); err != nil {
					t.Errorf("%s of another namespace: %v", key, err)
				}
			}
			if _, err := s.Get(ctx, "b:1"); err != nil {
				t.Error(err)
			}
			if err := s.Set(ctx, "short", value, 50*time.Millisecond); err != nil {
				t.Error(err)
			}
			wait.Until(t, "it expires", func() bool { _, err := s.Get(ctx, "short"); return errors.Is(err, plancache.ErrNotFound) })
			cancel()
			for range keys { // until it is closed
			}
		})
	}
}

// A fleet shares plans and deletions while the server is killed and comes back, and no
// caller sees an error or a wrong plan.
func TestKilledUnderLoad(t *testing.T) {
	server := redis.Start(t)
	var caches []*plancache.Cache[string]
	for range 3 {
		caches = append(caches, newCache(t, redisstore.New(connect(t, server.Address), redisstore.Options{})))
	}
	var builds atomic.Int64
	load := func(c *plancache.Cache[string], q string) {
		plan, err := c.Load(t.Context(), plancache.Key{Query: q}, func(context.Context) (string, error) { builds.Add(1); return "plan of " + q, nil })
		if err != nil || plan != "plan of "+q {
			t.Errorf("got %q, %v", plan, err)
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i, c := range caches {
		for j := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					load(c, fmt.Sprintf("{ q%d }", (n*(j+1)+i)%3000)) // more than there is room for
					if n%50 == 0 {
						_ = c.Delete(t.Context(), plancache.Key{Query: fmt.Sprintf("{ q%d }", n%3000)})
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
	}
	hits := func() (n uint64) {
		for _, c := range caches {
			n += c.Stats().Store.Hits
		}
		return n
	}
	wait.Until(t, "plans come from the second level", func() bool { return hits() > 100 })
	for range 2 {
		server.Kill()
		before := builds.Load()
		wait.Until(t, "plans are built without it", func() bool { return builds.Load() > before+100 })
		server.Restart()
		again := hits()
		wait.Until(t, "plans come from it again", func() bool { return hits() > again+100 })
	}
	close(stop)
	wg.Wait()
	// Deletions arrive again as well.
	for _, c := range caches {
		load(c, "{ last }")
	}
	wait.Until(t, "a deletion reaches all", func() bool {
		if err := caches[0].Delete(t.Context(), plancache.Key{Query: "{ last }"}); err != nil {
			return false
		}
		for _, c := range caches {
			if _, ok := c.Get(t.Context(), plancache.Key{Query: "{ last }"}); ok {
				return false
			}
		}
		return true
	})
}
