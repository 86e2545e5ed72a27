// Package advice_test plants faults in the blog's database, and sees whether the advisor
// finds them.
package advice_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/examples/blog/seed"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool/advisor"
)

// fault is something that is wrong, and how it shows.
type fault struct {
	name  string
	plant string // SQL
	// sql is run with the arguments of each run.
	sql  string
	args [][]any
	// found reports whether a finding is about the fault.
	kind  advisor.Kind
	about *regexp.Regexp // the action or the title
	// slow queries must be ten times as fast with the advice.
	slow bool
}

func one(list ...any) [][]any {
	var args [][]any
	for _, v := range list {
		args = append(args, []any{v})
	}
	return args
}

func match(s string) *regexp.Regexp { return regexp.MustCompile("(?i)" + s) }

var faults = []fault{
	{"missing index", "drop index comments_by_post", "select id, body from comments where post_id = $1 order by id limit 10",
		one(3, 70, 900, 12000), advisor.MissingIndex, match(`ON comments \(post_id`), true},
	{"missing index of a count", "drop index comments_by_author", "select count(*) from comments where author_id = $1",
		one(400, 1700, 3000, 4500), advisor.MissingIndex, match(`ON comments \(author_id`), true},
	{"missing index of a join", "drop index post_tags_by_tag", "select pt.post_id, t.name from tags t join post_tags pt on pt.tag_id = t.id where t.id = $1 + 150",
		one(50, 100, 200, 240), advisor.MissingIndex, match(`ON post_tags \(tag_id`), true},
	{"missing index of a pair", "drop index follows_by_follower", "select followee_id from follows where follower_id = $1",
		one(20, 700, 2500, 4900), advisor.MissingIndex, match(`ON follows \(follower_id`), true},
	{"sort for a limit", "drop index posts_feed", "select id, title from posts where status = 'PUBLISHED' order by published_at desc limit 20",
		[][]any{{}, {}, {}, {}}, advisor.MissingIndex, match(`ON posts \(.*published_at`), true},
	{"columns in the wrong order", "drop index posts_by_author; create index posts_views_author on posts (views, author_id)",
		"select id, title from posts where author_id = $1 and views >= $2",
		[][]any{{800, 100}, {1500, 200}, {2000, 0}, {4000, 50}}, advisor.MissingIndex, match(`ON posts \(author_id`), true},
	{"unused index", "create index users_created on users (created_at)", "", nil, advisor.UnusedIndex, match("users_created"), false},
	{"large unused index", "create index posts_title on posts (title, excerpt)", "", nil, advisor.UnusedIndex, match("posts_title"), false},
	{"duplicate of a unique index", "create index users_handle_again on users (handle)", "select id from users where handle = $1",
		one("nobody"), advisor.DuplicateIndex, match("users_handle_again"), false},
	{"duplicate index", "create index comments_created on comments (created_at); create index comments_created_too on comments (created_at)",
		"select count(*) from comments where created_at < $1 and created_at > $1", one(time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)), advisor.DuplicateIndex, match("comments_created"), false},
	{"redundant index", "create index follows_by_followee on follows (followee_id)", "select count(*) from follows where followee_id = $1",
		one(17), advisor.RedundantIndex, match("follows_by_followee"), false},
	{"bloated index", `create table sessions (id bigint primary key, token text not null); insert into sessions select i, md5(i::text) from generate_series(1, 150000) i;
		create index sessions_by_token on sessions (token); delete from sessions where id % 20 <> 0`,
		"select id from sessions where token = $1", one("x"), advisor.BloatedIndex, match("sessions_by_token"), false},
	{"stale statistics", `create table events (id bigint generated always as identity, at timestamptz not null default now()) with (autovacuum_enabled = false);
		insert into events select from generate_series(1, 1500); analyze events; insert into events select from generate_series(1, 30000)`,
		"", nil, advisor.StaleStatistics, match("events"), false},
	{"no statistics", `create table imports (id bigint, line text) with (autovacuum_enabled = false); insert into imports select i, 'x' from generate_series(1, 20000) i`,
		"", nil, advisor.StaleStatistics, match("imports"), false},
	{"N+1", "", "select name from users where id = $1", nil, advisor.RepeatedStatement, match(`u?\.?id = ANY`), false},
	{"the same again", "", "select count(*) from tags where name = $1", nil, advisor.RepeatedStatement, match("same parameters"), false},
	{"unbounded result", "", "select id, post_id, body from comments order by body",
		[][]any{{}, {}}, advisor.UnboundedResult, match("no limit"), false},
	{"field of a document", "", "select id, name from users where profile ->> 'city' = $1",
		one("Boston", "Nowhere", "Dallas", "Tulsa"), advisor.MissingIndex, match(`ON users \(\(+profile ->> 'city'`), true},
	{"contained in a document", "", "select id, name from users where profile @> $1",
		one(map[string]any{"city": "Boston"}, map[string]any{"city": "Dallas"}, map[string]any{"city": "Nowhere"}, map[string]any{"city": "Reno"}),
		advisor.MissingIndex, match(`ON users USING gin \(profile jsonb_path_ops`), true},
	{"pattern in the middle", "", "select id, title from posts where title ilike $1",
		one("%zzzzq%", "%qqxqq%", "%jjwjj%", "%unlikely words%"), advisor.MissingIndex, match(`ON posts USING gin \(title gin_trgm_ops`), true},
	{"pattern at the beginning", "", "select id, title from posts where slug like $1",
		one("zebra-and%", "never-was%", "how-many-of%", "out-of-the%"), advisor.MissingIndex, match(`ON posts \(slug text_pattern_ops`), true},
	{"columns that depend on each other", `create table places (id bigint generated always as identity primary key, city text not null, country text not null, note text not null default 'some words about it');
		insert into places (city, country) select 'city ' || i % 50, 'country ' || i % 50 from generate_series(1, 100000) i`,
		"select p.id, p.note from places p join tags t on t.id = p.id % 400 + 1 where p.city = $1 and p.country = $2", [][]any{{"city 7", "country 7"}, {"city 9", "country 9"}},
		advisor.CorrelatedColumns, match("places"), false},
	{"sum that is made again and again", "", "select date_trunc('day', created_at) d, count(*), sum(length(body)) from comments group by 1 order by 1",
		slices.Repeat([][]any{{}}, 12), advisor.RepeatedAggregate, match("materialized view"), false},
	{"foreign key without an index", `create table folders (id bigint primary key); create table files (id bigint generated always as identity primary key, folder_id bigint not null references folders on delete cascade);
		insert into folders select generate_series(1, 2000); insert into files (folder_id) select 1 + i % 2000 from generate_series(1, 20000) i`,
		"delete from folders where id = $1", one(1, 2, 3, 4, 5), advisor.UnindexedForeignKey, match(`ON files \(folder_id`), false},
	{"large offset", "", "select id, title from posts order by id limit 20 offset $1",
		one(100, 15000, 20000), advisor.LargeOffset, match("OFFSET"), false},
	{"limit behind a sum", "", "select post_id, count(*) n from comments group by post_id order by n desc limit 5",
		[][]any{{}, {}, {}}, advisor.LimitNotPushed, match("made and sorted"), false},
	{"nested loop over many rows", `create table readings (id bigint generated always as identity, place text not null, region text not null, zone text not null, note text not null);
		insert into readings (place, region, zone, note) select 'p' || i % 60, 'r' || i % 60, 'z' || i % 60, 'note ' || i from generate_series(1, 72000) i`,
		"select count(*) from readings r join tags t on lower(t.name) = r.note where r.place = $1 and r.region = $2 and r.zone = $3", [][]any{{"p7", "r7", "z7"}, {"p9", "r9", "z9"}},
		advisor.NestedLoop, match("enable_nestloop"), false},
	{"cast of a column", "", "select handle from users where id::text = $1",
		one("5", "77", "1234"), advisor.SequentialScan, match(`own type \(bigint\)`), false},
}

// open starts a server with the blog's data, and a pool with a recorder.
func open(t *testing.T, scale float64) (*pgxpool.Pool, *advisor.Recorder) {
	t.Helper()
	settings := postgres.Volatile()
	settings["track_io_timing"] = "on"
	server, err := postgres.Start(t.Context(), postgres.Options{Settings: settings, Preload: []string{"pg_stat_statements"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seed.Fill(t.Context(), conn, scale); err != nil {
		t.Fatal(err)
	}
	for _, extension := range []string{"pg_stat_statements", "hypopg", "pg_trgm"} {
		if _, err := conn.Exec(t.Context(), "create extension "+extension); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("install the extension (Debian: postgresql-contrib, postgresql-<version>-hypopg): %v", err)
			}
			t.Skip(err)
		}
	}
	conn.Close(t.Context())
	recorder := advisor.NewRecorder(advisor.RecorderOptions{})
	config, err := pgxpool.ParseConfig(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.Tracer = recorder
	db, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := db.Exec(t.Context(), "select pg_stat_statements_reset()"); err != nil {
		t.Fatal(err)
	}
	return db, recorder
}

// settle lets Postgres publish what it has counted: a session does so when it is idle for
// a second, or ends.
func settle(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	db.Reset()
	for db.Stat().TotalConns() > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	config := db.Config().ConnConfig
	blog := config.Database
	config.Database, config.Tracer = "template1", nil // The blog's database does not count who looks.
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	wait.Until(t, "Postgres has ended the sessions", func() (ended bool) {
		err := conn.QueryRow(t.Context(), `select not exists (select from pg_stat_activity
			where backend_type = 'client backend' and datname = $1)`, blog).Scan(&ended)
		if err != nil {
			t.Fatal(err)
		}
		return ended
	})
	time.Sleep(200 * time.Millisecond) // Another process collects the counters of Postgres 14.
}

// rows runs a statement and returns its rows in an order that does not depend on plans.
func rows(ctx context.Context, t *testing.T, db *pgxpool.Pool, sql string, args []any) []string {
	t.Helper()
	result, err := db.Query(ctx, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	list, err := pgx.CollectRows(result, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return fmt.Sprint(values), err
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	slices.Sort(list)
	return list
}

// The advisor finds what is planted, and its advice makes slow queries at least ten times
// as fast, with the same results.
func TestFaults(t *testing.T) {
	ctx := t.Context()
	db, recorder := open(t, 1)
	for _, f := range faults {
		if _, err := db.Exec(ctx, f.plant); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	}
	settle(t, db) // What was inserted counts as modified when its session ends.
	if _, err := db.Exec(ctx, "vacuum sessions"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, "analyze users, posts, comments, tags, post_tags, follows, sessions, places, readings, folders, files"); err != nil {
		t.Fatal(err)
	}
	before := map[string]work{}
	results := map[string][]string{}
	for _, f := range faults {
		if f.slow {
			before[f.name] = measure(t, db, f, func(args []any, list []string) { results[f.name+fmt.Sprint(args...)] = list })
		}
	}
	if _, err := db.Exec(ctx, "select pg_stat_statements_reset()"); err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		for _, args := range f.args {
			rows(ctx, t, db, f.sql, args)
		}
	}
	request, end := recorder.Request(ctx, "Feed")
	for i := range 20 {
		rows(request, t, db, "select name from users where id = $1", []any{i})
		rows(request, t, db, "select count(*) from tags where name = $1", []any{"theme"})
	}
	end()
	settle(t, db)

	report, err := advisor.Analyze(ctx, db, advisor.Options{Record: recorder.Record(), Execute: true, MinShare: 1e-6})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
	matched := map[int]bool{}
	missed := 0
	for _, f := range faults {
		found := false
		for i, finding := range report.Findings {
			if finding.Kind == f.kind && f.about.MatchString(finding.Action+" "+finding.Title) {
				found, matched[i] = true, true
			}
		}
		if !found {
			missed++
			t.Logf("not found: %s", f.name)
		}
	}
	if missed > 0 {
		t.Errorf("%d of %d faults were not found", missed, len(faults))
	}
	for i, f := range report.Findings {
		if !matched[i] {
			t.Logf("found besides: %s: %s", f.Kind, f.Title)
		}
	}

	for _, f := range report.Findings {
		if f.Kind != advisor.MissingIndex {
			continue
		}
		for statement := range strings.SplitSeq(f.Action, ";") {
			if _, err := db.Exec(ctx, statement); err != nil {
				t.Errorf("the advice is wrong: %s: %v", statement, err)
			}
		}
	}
	if _, err := db.Exec(ctx, "analyze users, posts, comments, post_tags, follows"); err != nil {
		t.Fatal(err)
	}
	db.Reset()
	for _, f := range faults {
		if !f.slow {
			continue
		}
		after := measure(t, db, f, func(args []any, list []string) {
			if !slices.Equal(list, results[f.name+fmt.Sprint(args...)]) {
				t.Errorf("%s: %v: other results with the advice", f.name, args)
			}
		})
		was := before[f.name]
		faster, fewer := float64(was.time)/float64(after.time), was.blocks/max(after.blocks, 1)
		t.Logf("%-28s %10s -> %10s = %6.1f times as fast; %6.1f -> %6.1f blocks", f.name, was.time, after.time, faster, was.blocks, after.blocks)
		if fewer < 2 { // The clock is also that of others.
			t.Errorf("%s: with the advice it reads %.0f blocks instead of %.0f", f.name, after.blocks, was.blocks)
		}
	}
}

// work is what an execution of a statement takes on average.
type work struct {
	time   time.Duration
	blocks float64 // of tables, indexes and temporary files
}

// measure runs a slow statement and returns the work of Postgres in the fastest of some
// rounds: others use the machine too.
func measure(t *testing.T, db *pgxpool.Pool, f fault, result func(args []any, rows []string)) work {
	t.Helper()
	ctx := t.Context()
	best := work{time: math.MaxInt64}
	for range 6 {
		if _, err := db.Exec(ctx, "select pg_stat_statements_reset()"); err != nil {
			t.Fatal(err)
		}
		for _, args := range f.args {
			result(args, rows(ctx, t, db, f.sql, args))
		}
		var ms, blocks float64
		err := db.QueryRow(ctx, `select sum(total_exec_time) / sum(calls),
				(sum(shared_blks_hit + shared_blks_read + temp_blks_written) / sum(calls))::float8
			from pg_stat_statements where query not like '%pg_stat_statements%' and calls > 0`).Scan(&ms, &blocks)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Duration(ms * float64(time.Millisecond)); took < best.time {
			best = work{took, blocks}
		}
	}
	return best
}
