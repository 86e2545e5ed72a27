package dataloader_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/dataloader"
	"github.com/gqlboost/gqlboost/pool/reader"
	"go.uber.org/goleak"
)

// Row level security holds where requests of several tenants and roles merge their statements: each
// gets what the same fetch gives it alone.
func TestMergeSettings(t *testing.T) {
	p := open(t)
	for _, sql := range []string{
		`drop table if exists secrets`,
		`drop role if exists merge_reader`,
		`create table secrets (id int, tenant text, primary key (id, tenant))`,
		`insert into secrets select i, tenant from generate_series(1, 20) i, unnest(array['a', 'b"''\', 'ü', '']) tenant`,
		`alter table secrets enable row level security`,
		`alter table secrets force row level security`,
		`create policy own on secrets using (tenant = coalesce(current_setting('app.tenant', true), ''))`,
		`create role merge_reader`,
		`grant select on secrets to merge_reader`,
	} {
		if _, err := p.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	var contexts []context.Context
	add := func(role string, parameters map[string]string) {
		contexts = append(contexts, reader.WithSettings(t.Context(), reader.Settings{Role: role, GUC: parameters}))
	}
	for _, name := range []string{"a", `b"'\`, "ü", ""} {
		add("merge_reader", map[string]string{"app.tenant": name})
		add("merge_reader", map[string]string{"app.tenant": name, "work_mem": "1MB"})
	}
	add("merge_reader", nil)
	contexts = append(contexts, reader.Alone(contexts[0]), reader.WithToken(contexts[2], p.Reader().Token(t.Context())))
	sql := "select id, current_user || tenant from secrets where id = any($1)"
	for name, db := range queriers(t) {
		t.Run(name, func(t *testing.T) {
			plain := dataloader.ByColumn[int, string](db, sql)
			merged := dataloader.Merge(plain, reader.ScopeOf, dataloader.MergeOptions{})
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() {
					for range 60 {
						i, keys := rand.IntN(len(contexts)), rand.Perm(25)[:1+rand.IntN(5)]
						got, err := merged(contexts[i], keys)
						want, wantErr := plain(contexts[i], keys)
						if err != nil || wantErr != nil || !maps.Equal(got, want) {
							t.Errorf("context %d, keys %v: %v, %v, want %v, %v", i, keys, got, err, want, wantErr)
						}
					}
				})
			}
			all.Wait()
			// What Postgres or the library refuses, it refuses here as well.
			for _, s := range []reader.Settings{{Role: "nobody at all"}, {GUC: map[string]string{"": "x"}}, {Role: "none"}} {
				ctx := reader.WithSettings(t.Context(), s)
				_, err := merged(ctx, []int{1})
				_, want := plain(ctx, []int{1})
				if err == nil || want == nil || fmt.Sprint(err) != fmt.Sprint(want) {
					t.Errorf("%v: %v, want %v", s, err, want)
				}
			}
		})
	}
}

// The pool is closed while requests merge: each ends, with rows or with the pool's error.
func TestMergeClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, of := range map[string]func(*pool.Pool) dataloader.Querier{
		"pool":   func(p *pool.Pool) dataloader.Querier { return p },
		"reader": func(p *pool.Pool) dataloader.Querier { return p.Reader() },
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			merged := dataloader.Merge(dataloader.ByColumn[int, int](of(p), "select k, k from unnest($1::int[]) k"),
				reader.ScopeOf, dataloader.MergeOptions{})
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() {
					for n := 0; ; n++ {
						if n == 50 {
							go p.Close()
						}
						got, err := dataloader.New(merged, dataloader.Options{}).Load(t.Context(), n)
						if errors.Is(err, pool.ErrClosed) {
							return
						}
						if err != nil || got != n {
							t.Errorf("%d is %d, %v", n, got, err)
							return
						}
					}
				})
			}
			all.Wait()
			p.Close()
		})
	}
}
