package dataloader_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/pool/dataloader"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) {
		server = s
		os.Setenv("GQLBOOST_EXAMPLE_DSN", s.DSN())
	}))
}

// double is a fetch that counts its calls. Keys that 7 divides are missing.
func double(calls *atomic.Int64) func(context.Context, []int) (map[int]int, error) {
	return func(_ context.Context, keys []int) (map[int]int, error) {
		calls.Add(1)
		found := map[int]int{}
		for _, k := range keys {
			if k%7 != 0 {
				found[k] = 2 * k
			}
		}
		return found, nil
	}
}

// A fetch that is nil is a mistake that shows at once, and not where the first key is loaded.
func TestNil(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it does not panic")
		}
	}()
	dataloader.New[int, int](nil, dataloader.Options{})
}

// Many ask at the same time: each gets its value, keys are fetched once and together.
func TestLoad(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var calls, keys atomic.Int64
	fetch := double(&calls)
	l := dataloader.New(func(ctx context.Context, list []int) (map[int]int, error) {
		keys.Add(int64(len(list)))
		return fetch(ctx, list)
	}, dataloader.Options{Quiet: time.Millisecond, MaxWait: time.Second})
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			k := 1 + i%100
			v, err := l.Load(t.Context(), k)
			if k%7 == 0 && !errors.Is(err, dataloader.ErrNotFound) || k%7 != 0 && (err != nil || v != 2*k) {
				t.Errorf("%d: %d, %v", k, v, err)
			}
		})
	}
	wg.Wait()
	if keys.Load() != 100 || calls.Load() > 20 {
		t.Errorf("%d keys in %d calls", keys.Load(), calls.Load())
	}
	if v, err := l.Load(t.Context(), 5); v != 10 || err != nil || keys.Load() != 100 {
		t.Errorf("a known key: %d, %v", v, err)
	}
}

func TestLoadAll(t *testing.T) {
	var calls atomic.Int64
	l := dataloader.New(double(&calls), dataloader.Options{MaxBatch: 4})
	l.Prime(3, 33)
	l.Prime(3, 34) // It is known.
	got, err := l.LoadAll(t.Context(), []int{9, 3, 7, 1, 9, 2, 4, 5, 6})
	if !slices.Equal(got, []int{18, 33, 0, 2, 18, 4, 8, 10, 12}) || !errors.Is(err, dataloader.ErrNotFound) {
		t.Errorf("%v, %v", got, err)
	}
	if calls.Load() != 2 {
		t.Errorf("7 keys by 4 took %d calls", calls.Load())
	}
	l.Clear(3)
	if v, err := l.Load(t.Context(), 3); v != 6 || err != nil {
		t.Errorf("cleared: %d, %v", v, err)
	}
	if list, err := l.LoadAll(t.Context(), nil); len(list) != 0 || err != nil {
		t.Errorf("no keys: %v, %v", list, err)
	}
}

// What goes wrong reaches all who wait.
func TestErrors(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		fetch func(context.Context, []int) (map[int]int, error)
		is    func(error) bool
	}{
		"an error": {func(context.Context, []int) (map[int]int, error) { return nil, broken }, func(err error) bool { return errors.Is(err, broken) }},
		"a panic": {func(context.Context, []int) (map[int]int, error) { panic("on purpose") }, func(err error) bool {
			var panicked *dataloader.PanicError
			return errors.As(err, &panicked) && panicked.Value == "on purpose"
		}},
		"an exit": {func(context.Context, []int) (map[int]int, error) { runtime.Goexit(); return nil, nil }, func(err error) bool { return err != nil }},
		"no map":  {func(context.Context, []int) (map[int]int, error) { return nil, nil }, func(err error) bool { return errors.Is(err, dataloader.ErrNotFound) }},
	} {
		l := dataloader.New(c.fetch, dataloader.Options{})
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if _, err := l.Load(t.Context(), i); !c.is(err) {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
	}
}

// Each caller waits as long as its own context. When nobody waits any more the fetch
// ends, and who comes then does not get what was cancelled.
func TestContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // It fails if a goroutine stays.
		type key struct{}
		fetches, block := 0, true
		var ended error
		l := dataloader.New(func(ctx context.Context, keys []int) (map[int]int, error) {
			if ctx.Value(key{}) != "v" {
				t.Error("the values of the context are lost")
			}
			fetches++
			if !block {
				return map[int]int{1: 1}, nil
			}
			<-ctx.Done()
			ended = ctx.Err()
			return nil, ended
		}, dataloader.Options{})
		base := context.WithValue(t.Context(), key{}, "v")
		load := func() (errs chan error, cancel func()) {
			ctx, cancel := context.WithCancel(base)
			errs = make(chan error, 1)
			go func() { _, err := l.Load(ctx, 1); errs <- err }()
			time.Sleep(time.Second) // The fetch has begun.
			synctest.Wait()
			return errs, cancel
		}
		first, cancelFirst := load()
		second, cancelSecond := load()
		if len(first)+len(second) > 0 || fetches != 1 {
			t.Fatalf("%d fetches; %d do not wait for it", fetches, len(first)+len(second))
		}
		cancelFirst()
		synctest.Wait()
		if len(first) != 1 || len(second) != 0 || ended != nil {
			t.Fatalf("the first waits: %v, the second: %v; the fetch has ended with %v", len(first) == 0, len(second) == 0, ended)
		}
		block = false
		cancelSecond()
		synctest.Wait()
		if len(second) != 1 || !errors.Is(ended, context.Canceled) {
			t.Fatalf("the second waits: %v; the fetch has ended with %v", len(second) == 0, ended)
		}
		for _, errs := range []chan error{first, second} {
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if v, err := l.Load(base, 1); v != 1 || err != nil || fetches != 2 {
			t.Errorf("afterwards: %d, %v after %d fetches", v, err, fetches)
		}
	})
}

type user struct {
	ID   int64
	Name string
}

// Over the Reader: 50 resolvers take few statements.
func TestRows(t *testing.T) {
	p := open(t)
	if _, err := p.Exec(t.Context(), "drop table if exists users; create table users as select i::bigint as id, 'user ' || i as name, i / 10 as team from generate_series(1, 100) i"); err != nil {
		t.Fatal(err)
	}
	counting := &counter{Querier: p.Reader()}
	users := dataloader.New(dataloader.ByKey(counting, "select id, name from users where id = any($1)", func(u user) int64 { return u.ID }), dataloader.Options{Quiet: time.Millisecond, MaxWait: time.Second})
	type member struct {
		Team int32
		Name string
	}
	teams := dataloader.New(dataloader.ListByKey(counting, "select team, name from users where team = any($1) order by id", func(m member) int32 { return m.Team }), dataloader.Options{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			u, err := users.Load(t.Context(), int64(3*i))
			if known := i > 0 && 3*i <= 100; known != (err == nil) || known && u.Name != fmt.Sprint("user ", 3*i) {
				t.Errorf("%d: %+v, %v", 3*i, u, err)
			}
		})
	}
	wg.Wait()
	if n := counting.n.Load(); n > 10 {
		t.Errorf("%d statements for 50 users", n)
	}
	list, err := teams.LoadAll(t.Context(), []int32{3, 99, 0})
	if err != nil || len(list[0]) != 10 || list[0][0].Name != "user 30" || list[1] == nil || len(list[1]) != 0 || len(list[2]) != 9 {
		t.Errorf("%v, %v", list, err)
	}
	bad := dataloader.New(dataloader.ByKey(counting, "select nothing from users where id = any($1)", func(u user) int64 { return u.ID }), dataloader.Options{})
	if _, err := bad.Load(t.Context(), 1); err == nil {
		t.Error("an error of the statement is lost")
	}
	wrong := dataloader.New(dataloader.ByKey(counting, "select id from users where id = any($1)", func(u user) int64 { return u.ID }), dataloader.Options{})
	if _, err := wrong.Load(t.Context(), 1); err == nil {
		t.Error("a missing column is not an error")
	}
}

// counter counts statements.
type counter struct {
	dataloader.Querier
	n atomic.Int64
}

func (c *counter) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.n.Add(1)
	return c.Querier.Query(ctx, sql, args...)
}
