package pgrows

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5/pgconn"
)

// Rows of the Reader have left their connection. What is not registered with pgx, and
// the settings of the rows' statement, are found all the same, without any
// configuration.
func TestRowsOfTheReader(t *testing.T) {
	conn := connect(t)
	setUpTypes(t, conn)
	if _, err := conn.Exec(t.Context(), `
		drop extension if exists citext, hstore, ltree cascade;
		create extension citext schema public; create extension hstore schema public; create extension ltree schema public;
		create type untold as (m mood, at timestamptz, for_ interval, day date, tags public.citext[], more positive[]);
		create type span as range (subtype = timestamptz);
		create table things as select i as id,
			row('happy', '2024-01-01 10:00+00'::timestamptz + i * interval '1 day', i * interval '3 hours', '2024-03-01'::date + i, array['a b', 'C'], array[1, i + 1])::untold as v,
			span('2024-05-01 10:00+00', '2024-05-02 11:30+00') as s
		from generate_series(0, 9) i`); err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(t.Context(), server.DSN()+"&search_path=types,public&timezone=America/New_York&intervalstyle=postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const sql = `select id, v, s, row(v, s) as r, row('x=>1'::public.hstore, 'a.b'::public.ltree, s) as e,
		json_build_object('id', id, 'v', v::text, 's', s::text, 'r', row(v, s)::text, 'e', row('x=>1'::public.hstore, 'a.b'::public.ltree, s)::text)::text as want
		from things where id >= $1 order by id`
	settings := []map[string]string{nil, {"timezone": "europe/berlin"}, {"DateStyle": "german", "TIMEZONE": "+03"}, {"intervalstyle": "sql_standard", "datestyle": "sql, dmy"}}
	encoder := NewEncoder(Options{})
	var shared atomic.Int64
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			ctx := t.Context()
			if s := settings[g%len(settings)]; s != nil {
				ctx = reader.WithSettings(ctx, reader.Settings{GUC: s})
			}
			for i := range 40 {
				if err := compareRows(ctx, p, encoder, sql, i%10, &shared); err != nil {
					t.Errorf("%v: %v", settings[g%len(settings)], err)
					return
				}
			}
		})
	}
	wg.Wait()
	if shared.Load() == 0 {
		t.Error("no statement has shared a connection: nothing was tested")
	}
}

// compareRows compares the columns of rows with the last one, which has what Postgres makes
// of the others.
func compareRows(ctx context.Context, p *pool.Pool, encoder *Encoder, sql string, first int, shared *atomic.Int64) error {
	rows, err := p.Reader().Query(ctx, sql, first)
	if err != nil {
		return err
	}
	if _, own := rows.(canceler); !own { // Others had the connection, too.
		shared.Add(1)
	}
	var out bytes.Buffer
	w := stream.NewWriter(&out, stream.Options{})
	if _, err := encoder.Write(w, rows); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	var got []struct {
		ID         int
		V, S, R, E string
		Want       string
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		return err
	}
	for _, row := range got {
		want := row
		if err := json.Unmarshal([]byte(row.Want), &want); err != nil || want != row {
			return fmt.Errorf("%w\ngot  %+v\nwant %+v", err, row, want)
		}
	}
	if len(got) != 10-first {
		return fmt.Errorf("%d rows from %d on", len(got), first)
	}
	return nil
}

// A statement of the Reader's is cancelled as well if the writer fails: nobody reads the rest of it.
func TestRowsOfTheReaderAreNotReadForNobody(t *testing.T) {
	p, err := pool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	rows, err := p.Reader().Query(t.Context(), "select repeat('x', 100) as x from generate_series(1, 3000000)")
	if err != nil {
		t.Fatal(err)
	}
	if err := writeTo(failing{}, rows, Options{}); err == nil {
		t.Error("no error")
	}
	if e := (*pgconn.PgError)(nil); !errors.As(rows.Err(), &e) || e.Code != "57014" {
		t.Errorf("Postgres has sent all rows: %v", rows.Err())
	}
	var one int
	if err := p.Reader().QueryRow(t.Context(), "select 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("got %d, %v", one, err)
	}
}
