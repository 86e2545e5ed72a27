package advice_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/examples/blog/store"
	"github.com/gqlboost/gqlboost/pool/advisor"
)

// traffic does what the blog's servers do, as requests.
func traffic(ctx context.Context, t *testing.T, db *pgxpool.Pool, recorder *advisor.Recorder) {
	t.Helper()
	s := store.New(db)
	s.Dataloader = true
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	for i := range 60 {
		request := func(name string, do func(context.Context, *store.Loaders)) {
			ctx, end := recorder.Request(ctx, name)
			defer end()
			do(ctx, store.NewLoaders(s))
		}
		request("Feed", func(ctx context.Context, l *store.Loaders) {
			before := 20000 - 100*i
			var position *int
			if i%2 == 0 {
				position = &before
			}
			posts, err := s.Feed(ctx, nil, 20, position)
			check(err)
			var wg sync.WaitGroup
			for _, p := range posts {
				wg.Go(func() {
					_, err := l.User(nil).Load(ctx, p.AuthorID)
					check(err)
					_, err = l.Tags(nil).Load(ctx, p.ID)
					check(err)
					_, err = l.CommentCount().Load(ctx, p.ID)
					check(err)
					_, err = l.Body().Load(ctx, p.ID)
					check(err)
				})
			}
			wg.Wait()
		})
		request("Post", func(ctx context.Context, l *store.Loaders) {
			p, err := s.Post(ctx, nil, 1+i*50)
			check(err)
			comments, err := l.Comments(nil).Load(ctx, store.Page{Parent: p.ID, First: 10})
			check(err)
			var wg sync.WaitGroup
			for _, c := range comments {
				wg.Go(func() {
					_, err := l.User(nil).Load(ctx, c.AuthorID)
					check(err)
				})
			}
			wg.Wait()
		})
		request("User", func(ctx context.Context, l *store.Loaders) {
			_, err := s.User(ctx, nil, 1+i*40)
			check(err)
			_, err = l.Posts(nil).Load(ctx, store.Page{Parent: 1 + i*40, First: 10})
			check(err)
			_, err = l.Followers(nil).Load(ctx, store.Page{Parent: 1 + i*40, First: 10})
			check(err)
			_, err = l.FollowerCount().Load(ctx, 1+i*40)
			check(err)
		})
		request("Search", func(ctx context.Context, l *store.Loaders) {
			_, err := s.Search(ctx, nil, []string{"never", "how the", "zebra", "out"}[i%4], 20)
			check(err)
		})
		request("Comment", func(ctx context.Context, l *store.Loaders) {
			_, err := s.AddComment(ctx, 1+i, 1+i, "well said")
			check(err)
		})
	}
	_, err := s.Totals(ctx)
	check(err)
	for range 3 {
		_, err := s.Comments(ctx, 50000, nil)
		check(err)
	}
	_, err = s.CreatePost(ctx, store.NewPost{AuthorID: 3, Title: "News", Slug: "news", Body: "New", Tags: []string{"a", "b"}})
	check(err)
}

// There is nothing to say about the blog as it is.
func TestHealthy(t *testing.T) {
	ctx := t.Context()
	db, recorder := open(t, 0.5)
	traffic(ctx, t, db, recorder)
	settle(t, db)
	// With all it can know, without what the client has seen, and without executing.
	for name, o := range map[string]advisor.Options{
		"all":    {Record: recorder.Record(), Execute: true},
		"server": {},
		"plans":  {Record: recorder.Record()},
	} {
		report, err := advisor.Analyze(ctx, db, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Findings) > 0 || len(report.Missing) > 0 || len(report.Statements) < 10 {
			var text strings.Builder
			_ = report.WriteText(&text)
			var since string // If Postgres has crashed, it has forgotten the statements.
			_ = db.QueryRow(ctx, "select format('%s statements since %s, Postgres since %s', count(*), "+
				"(select stats_reset from pg_stat_statements_info), pg_postmaster_start_time()) from pg_stat_statements").Scan(&since)
			t.Errorf("%s: %d findings about %d statements, %d missing; %s:\n%s", name, len(report.Findings),
				len(report.Statements), len(report.Missing), since, text.String())
		}
	}
}

// What a role may not see is said; pg_monitor is enough for the rest.
func TestRights(t *testing.T) {
	ctx := t.Context()
	db, recorder := open(t, 0.5)
	traffic(ctx, t, db, recorder)
	if _, err := db.Exec(ctx, "create index users_created on users (created_at); create role nobody login; create role watcher login in role pg_monitor; create role reader login in role pg_monitor, pg_read_all_data"); err != nil {
		t.Fatal(err)
	}
	settle(t, db)
	for _, each := range []struct {
		role    string
		missing []string
		unused  bool
		plans   bool
	}{
		{"nobody", []string{"GRANT pg_monitor", "permission denied for"}, true, false},
		{"watcher", []string{"permission denied for", "GRANT pg_read_all_data"}, true, false},
		{"reader", nil, true, true},
	} {
		conn, err := pgx.Connect(ctx, as(t, db, each.role))
		if err != nil {
			t.Fatal(err)
		}
		report, err := advisor.Analyze(ctx, conn, advisor.Options{Record: recorder.Record()})
		if err != nil {
			t.Fatalf("%s: %v", each.role, err)
		}
		missing := strings.Join(report.Missing, "\n")
		for _, want := range each.missing {
			if !strings.Contains(missing, want) {
				t.Errorf("%s: %q is not said:\n%s", each.role, want, missing)
			}
		}
		unused := 0
		for _, f := range report.Findings {
			if f.Kind == advisor.UnusedIndex {
				unused++
			}
		}
		if unused != 1 || len(report.Findings) != 1 {
			t.Errorf("%s: %d findings, %d of them unused indexes", each.role, len(report.Findings), unused)
		}
		if each.plans != !strings.Contains(missing, "permission denied for table users") {
			t.Errorf("%s: %s", each.role, missing)
		}
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

// as returns the connection string of another role.
func as(t *testing.T, db *pgxpool.Pool, role string) string {
	t.Helper()
	c := db.Config().ConnConfig
	u := url.URL{Scheme: "postgres", User: url.User(role), Host: fmt.Sprintf("%s:%d", c.Host, c.Port), Path: "/" + c.Database}
	return u.String()
}
