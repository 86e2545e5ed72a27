package pgrows

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/stream"
)

// Postgres waits for a client that reads slowly, and nothing is lost.
func TestPostgresIsHeldBack(t *testing.T) {
	conn, watcher := connect(t), connect(t)
	const n = 300_000 // 34 MB, more than the sockets hold
	errs := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		errs <- stream.Respond(rw, r, func(w *stream.Writer) error {
			rows, err := conn.Query(r.Context(), "select i as id, repeat('x', 100) as text from generate_series(1, $1::int) i", n)
			if err != nil {
				return err
			}
			w.BeginObject()
			w.Name("data")
			written, err := Write(w, rows, Options{})
			if err == nil && written != n {
				err = fmt.Errorf("%d rows were written", written)
			}
			return err
		})
	}))
	defer s.Close()
	response, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	waiting := ""
	for deadline := time.Now().Add(20 * time.Second); waiting != "ClientWrite"; time.Sleep(20 * time.Millisecond) {
		if err := watcher.QueryRow(t.Context(), "select coalesce(wait_event, '') from pg_stat_activity where pid = $1", conn.PgConn().PID()).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("Postgres waits for %q, not for the client", waiting)
		}
	}
	got, err := io.Copy(io.Discard, response.Body)
	if err != nil || got < n*110 {
		t.Errorf("got %d bytes, %v", got, err)
	}
	if err := <-errs; err != nil {
		t.Error(err)
	}
}
