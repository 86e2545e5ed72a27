package seed_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/examples/blog/seed"
	"github.com/gqlboost/gqlboost/internal/postgres"
)

func fill(t *testing.T, scale float64) (conn *pgx.Conn, counts seed.Counts) {
	t.Helper()
	pg, err := postgres.Start(t.Context(), postgres.Options{Settings: postgres.Volatile()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Stop() })
	if conn, err = pgx.Connect(t.Context(), pg.DSN()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if counts, err = seed.Fill(t.Context(), conn, scale); err != nil {
		t.Fatal(err)
	}
	return conn, counts
}

// digest is the same for two databases with the same rows.
func digest(t *testing.T, conn *pgx.Conn, table string) (sum string, count int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "select coalesce(md5(string_agg(x::text, '|' order by x::text)), ''), count(*) from "+table+" x").Scan(&sum, &count); err != nil {
		t.Fatal(err)
	}
	return sum, count
}

func TestFillIsDeterministicAndComplete(t *testing.T) {
	a, counts := fill(t, 0.02)
	b, _ := fill(t, 0.02)
	for table, want := range map[string]int{
		"users": counts.Users, "posts": counts.Posts, "comments": counts.Comments, "tags": counts.Tags,
		"post_tags": 2 * counts.Posts, "follows": counts.Follows,
	} {
		sumA, n := digest(t, a, table)
		sumB, _ := digest(t, b, table)
		if n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
		if sumA != sumB {
			t.Errorf("%s differs between two runs", table)
		}
	}
	for name, sql := range map[string]string{
		"text beyond ASCII":     "select exists(select from posts where body like '%今日%')",
		"long bodies":           "select max(length(body)) > 10000 from posts",
		"drafts":                "select exists(select from posts where status = 'DRAFT' and published_at is null)",
		"ids after the copied":  "insert into tags (name) values ('one more') returning id > 0",
		"posts without comment": "select exists(select from posts p where not exists (select from comments where post_id = p.id))",
	} {
		var ok bool
		if err := a.QueryRow(t.Context(), sql).Scan(&ok); err != nil || !ok {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if _, err := seed.Fill(t.Context(), a, 0.02); !errors.Is(err, seed.ErrSeeded) {
		t.Errorf("a second Fill: %v, want ErrSeeded", err)
	}
}

func TestFillRefusesAnImpossibleScale(t *testing.T) {
	for _, scale := range []float64{0, -1, 1e9} {
		if _, err := seed.Fill(t.Context(), nil, scale); err == nil {
			t.Errorf("scale %v was accepted", scale)
		}
	}
}
