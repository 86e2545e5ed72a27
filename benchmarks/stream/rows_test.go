package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bytedance/sonic"
	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/pgrows"
	"github.com/jackc/pgx/v5"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) { server = s }))
}

// rowsQuery has nine columns of mixed types, jsonbQuery one of jsonb as well.
const (
	rowsQuery  = `select id, title, body, "authorId", score, published, "createdAt", tags, summary from posts order by id limit $1`
	jsonbQuery = `select id, title, body, "authorId", score, published, "createdAt", tags, summary, meta from posts order by id limit $1`
)

// postWithMeta is a row of jsonbQuery. Nothing that reads the column's text costs less
// than json.RawMessage.
type postWithMeta struct {
	post
	Meta json.RawMessage `json:"meta"`
}

func connect(tb testing.TB, n int) *pgx.Conn {
	tb.Helper()
	return connectBy(tb, n, pgx.Connect)
}

func connectBy(tb testing.TB, n int, connect func(ctx context.Context, dsn string) (*pgx.Conn, error)) *pgx.Conn {
	tb.Helper()
	ctx := context.Background()
	conn, err := connect(ctx, server.DSN())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(ctx) })
	if _, err := conn.Exec(ctx, fmt.Sprintf(`create temp table posts as select i::int8 as id, 'Post number ' || i as title, repeat('Some text of a post. ', 5) || E'\n' as body,
		(i %% 100)::int8 as "authorId", i / 8.0::float8 as score, i %% 2 = 0 as published, '2024-01-01'::timestamptz + i * interval '1 s' as "createdAt",
		array['go', 'graphql'] as tags, case when i %% 3 = 0 then 'A summary of "one" line' end as summary,
		jsonb_build_object('views', i, 'source', 'import', 'labels', jsonb_build_array('a', 'b'), 'ratio', i / 7.0) as meta from generate_series(1, %d) i`, n)); err != nil {
		tb.Fatal(err)
	}
	if _, err := conn.Exec(ctx, `alter table posts add primary key (id); analyze posts`); err != nil {
		tb.Fatal(err)
	}
	return conn
}

func collect[T any](ctx context.Context, conn *pgx.Conn, query string, n int) ([]T, error) {
	rows, err := conn.Query(ctx, query, n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

// BenchmarkRows reads 10 000 rows and makes their JSON. On cores that are shared with
// Postgres the time is mostly Postgres's, which is what discard takes; cpu-ns/op is the
// client's.
func BenchmarkRows(b *testing.B) {
	const n = 10_000
	conn := connect(b, n)
	benchmarkRows[post](b, conn, "10k-rows", rowsQuery, n)
	benchmarkRows[postWithMeta](b, conn, "10k-rows-jsonb", jsonbQuery, n)
}

// BenchmarkRowsClient is the same without Postgres's share and the network's: see replay.
func BenchmarkRowsClient(b *testing.B) {
	const n = 10_000
	conn := connectBy(b, n, replayed)
	benchmarkRows[post](b, conn, "10k-rows", rowsQuery, n)
	benchmarkRows[postWithMeta](b, conn, "10k-rows-jsonb", jsonbQuery, n)
}

func benchmarkRows[T any](b *testing.B, conn *pgx.Conn, work, query string, n int) {
	ctx := context.Background()
	encoder := pgrows.NewEncoder(pgrows.Options{})
	for _, c := range []struct {
		name string
		run  func(to io.Writer) error
	}{
		{"pgrows", func(to io.Writer) error {
			rows, err := conn.Query(ctx, query, n)
			if err != nil {
				return err
			}
			w := stream.NewWriter(to, stream.Options{})
			if _, err := encoder.Write(w, rows); err != nil {
				return err
			}
			return w.Close()
		}},
		{"structs-encoding-json", func(to io.Writer) error {
			list, err := collect[T](ctx, conn, query, n)
			if err != nil {
				return err
			}
			return json.NewEncoder(to).Encode(list)
		}},
		{"structs-sonic", func(to io.Writer) error {
			list, err := collect[T](ctx, conn, query, n)
			if err != nil {
				return err
			}
			return sonic.ConfigDefault.NewEncoder(to).Encode(list)
		}},
		{"json-agg", func(to io.Writer) error {
			var text []byte
			if err := conn.QueryRow(ctx, "select json_agg(x) from ("+query+") x", n).Scan(&text); err != nil {
				return err
			}
			_, err := to.Write(text)
			return err
		}},
		{"discard", func(to io.Writer) error {
			rows, err := conn.Query(ctx, query, n)
			if err != nil {
				return err
			}
			read := int64(0)
			for rows.Next() {
				for _, v := range rows.RawValues() {
					read += int64(len(v))
				}
			}
			to.(*counter).n = read
			return rows.Err()
		}},
	} {
		b.Run("work="+work+"/impl="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpu.Time()
			for b.Loop() {
				var to counter
				if err := c.run(&to); err != nil {
					b.Fatal(err)
				}
				if to.n < 1e6 {
					b.Fatalf("%d bytes", to.n)
				}
			}
			b.ReportMetric(float64(cpu.Time()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// TestRowsAreAlike checks that the benchmark's ways make the same document.
func TestRowsAreAlike(t *testing.T) {
	conn := connect(t, 100)
	rowsAreAlike(t, conn, rowsQuery, func(p *post) *post { return p })
	rowsAreAlike(t, conn, jsonbQuery, func(p *postWithMeta) *post { return &p.post })
}

func rowsAreAlike[T any](t *testing.T, conn *pgx.Conn, query string, postOf func(*T) *post) {
	t.Helper()
	list, err := collect[T](t.Context(), conn, query, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		p := postOf(&list[i])
		p.CreatedAt = p.CreatedAt.UTC()
	}
	want, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), query, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got, compact bytes.Buffer
	w := stream.NewWriter(&got, stream.Options{})
	if _, err := pgrows.Write(w, rows, pgrows.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := json.Compact(&compact, got.Bytes()); err != nil { // Postgres has spaces in jsonb.
		t.Fatal(err)
	}
	if !bytes.Equal(compact.Bytes(), want) {
		t.Errorf("got  %.300s\nwant %.300s", compact.Bytes(), want)
	}
}

// BenchmarkMillion sends many rows to an HTTP client: a million, or GQLBOOST_ROWS.
func BenchmarkMillion(b *testing.B) {
	n := 1_000_000
	if s := os.Getenv("GQLBOOST_ROWS"); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			b.Fatal(err)
		}
	}
	conn := connect(b, n)
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"pgrows", func(rw http.ResponseWriter, r *http.Request) {
			err := stream.Respond(rw, r, func(w *stream.Writer) error {
				rows, err := conn.Query(r.Context(), rowsQuery, n)
				if err != nil {
					return err
				}
				w.BeginObject()
				w.Name("data")
				_, err = pgrows.Write(w, rows, pgrows.Options{})
				return err
			})
			if err != nil {
				b.Error(err)
			}
		}},
		{"collect-encoder", func(rw http.ResponseWriter, r *http.Request) {
			list, err := collect[post](r.Context(), conn, rowsQuery, n)
			if err != nil {
				b.Error(err)
			}
			if err := json.NewEncoder(rw).Encode(map[string]any{"data": list}); err != nil {
				b.Error(err)
			}
		}},
	} {
		b.Run("work=million-rows/impl="+c.name, func(b *testing.B) {
			s := httptest.NewServer(c.handler)
			defer s.Close()
			var first time.Duration
			var peak uint64
			for b.Loop() {
				runtime.GC()
				stop := watchHeap(&peak)
				start := time.Now()
				response, err := s.Client().Get(s.URL)
				if err != nil {
					b.Fatal(err)
				}
				one := make([]byte, 1)
				if _, err := io.ReadFull(response.Body, one); err != nil {
					b.Fatal(err)
				}
				first += time.Since(start)
				size, err := io.Copy(io.Discard, response.Body)
				if err != nil || size < int64(n)*100 {
					b.Fatalf("%d bytes, %v", size, err)
				}
				response.Body.Close()
				stop()
			}
			b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "ms-to-first-byte")
			b.ReportMetric(float64(peak)/(1<<20), "MiB-peak-growth")
		})
	}
}

// watchHeap keeps the highest growth of the heap's objects until it is stopped.
func watchHeap(peak *uint64) (stop func()) {
	read := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before := read()
	var highest atomic.Uint64
	done, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		for {
			if now := read(); now > before && now-before > highest.Load() {
				highest.Store(now - before)
			}
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() {
		close(done)
		<-finished
		*peak = max(*peak, highest.Load())
	}
}
