package incremental

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/stream"
)

// TestClients lets clients in JavaScript read results in parts.
func TestClients(t *testing.T) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("npm is missing")
		}
		t.Skip("install Node.js 20 with npm (Debian's packages nodejs and npm) to test with real clients")
	}
	dir, err := filepath.Abs("testdata/clients")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund")
	install.Dir = dir
	if output, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, output)
	}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		query, _ := io.ReadAll(r.Body)
		if err := post(rw, r, strings.Contains(string(query), "@stream")); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	want := map[string]any{"post": map[string]any{
		"id": "1", "comments": []any{"a", "b", "c", "d"}, "author": map[string]any{"name": "Ada", "address": map[string]any{"zip": "é\n\u2028"}},
	}}
	for _, name := range []string{"meros", "graphql-sse", "apollo", "urql"} {
		t.Run(name, func(t *testing.T) {
			node := exec.CommandContext(ctx, "node", filepath.Join(dir, "clients.mjs"), name, s.URL)
			node.Stderr = os.Stderr
			output, err := node.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, output)
			}
			var got struct {
				Data    map[string]any
				HasNext bool
				Count   int
			}
			if err := json.Unmarshal(output, &got); err != nil {
				t.Fatalf("%s: %v", output, err)
			}
			if !reflect.DeepEqual(got.Data, want) || got.HasNext || got.Count < 3 {
				t.Errorf("got %+v, want %v in 3 results at least", got, want)
			}
		})
	}
}

// post executes the clients' query.
func post(rw http.ResponseWriter, r *http.Request, streams bool) error {
	d, err := New(rw, r, Options{})
	if err != nil {
		return err
	}
	author := d.Defer(Path{"post"}, "author")
	address := author.Defer(Path{"post", "author"}, "address")
	comments := `["a","b","c","d"]`
	var rest *Part
	if streams {
		comments = `["a"]`
		rest = d.Stream(Path{"post", "comments"}, "", 1)
	}
	err = d.Initial(func(w *stream.Writer) error {
		w.Name("data")
		w.Raw([]byte("{\n\"post\": {\"id\": \"1\", \"comments\": " + comments + "}}"))
		return nil
	})
	if streams {
		for _, item := range []string{"b", "c", "d"} {
			time.Sleep(20 * time.Millisecond)
			err = errors.Join(err, rest.Items(1, func(w *stream.Writer) error { w.String(item); return nil }))
		}
		err = errors.Join(err, rest.End())
	}
	time.Sleep(20 * time.Millisecond)
	err = errors.Join(err, author.Complete(raw(`{"author":{"name":"Ada"}}`)))
	time.Sleep(20 * time.Millisecond)
	err = errors.Join(err, address.Complete(func(w *stream.Writer) error {
		return w.Any(map[string]any{"address": map[string]any{"zip": "é\n\u2028"}})
	}))
	return errors.Join(err, d.Close())
}
