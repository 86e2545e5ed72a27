package incremental

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/npm"
	"github.com/gqlboost/gqlboost/stream"
)

const clientsDir = "testdata/clients"

// node returns what a script of testdata/clients prints, decoded.
func node(t *testing.T, into any, script string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "node", append([]string{filepath.Join(clientsDir, script)}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %q: %v: %s%s", script, args, err, output, &stderr)
	}
	if err := json.Unmarshal(output, into); err != nil {
		t.Fatalf("%s %q printed %q: %v", script, args, output, err)
	}
}

// TestClients lets clients in JavaScript read results in parts. The server makes a part only
// when the client has shown the one before, so a client that cannot read a payload until
// more comes gets nothing more.
func TestClients(t *testing.T) {
	npm.Install(t, clientsDir)
	var names []string
	node(t, &names, "clients.mjs", "names")
	want := map[string]any{"post": map[string]any{
		"id": "1", "comments": []any{"a", "b", "c", "d"},
		"author": map[string]any{"name": "Ada", "address": map[string]any{"zip": "é\n\u2028"}},
	}}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBlogServer(t)
			var got struct {
				Data    map[string]any
				HasNext bool
				Count   int
			}
			node(t, &got, "clients.mjs", name, b.URL)
			if !reflect.DeepEqual(got.Data, want) || got.HasNext || got.Count < 3 {
				t.Errorf("got %+v, want %v in 3 results at least", got, want)
			}
		})
	}
}

// blogServer executes the clients' query.
type blogServer struct {
	*httptest.Server
	seen chan struct{} // one for each payload that the client has shown
}

func newBlogServer(t *testing.T) *blogServer {
	b := &blogServer{seen: make(chan struct{}, 100)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/seen" {
			b.seen <- struct{}{}
			return
		}
		query, _ := io.ReadAll(r.Body)
		if err := b.post(rw, r, string(query)); err != nil {
			t.Errorf("Accept: %s: %v", r.Header.Get("Accept"), err)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *blogServer) wait(ctx context.Context) error {
	select {
	case <-b.seen:
		return nil
	case <-ctx.Done():
		return errors.New("the client has gone before it has shown the payload")
	case <-time.After(time.Minute):
		return errors.New("the client does not show the payload until more comes")
	}
}

var labels = regexp.MustCompile(`label: \\?"([^"\\]+)`)

func (b *blogServer) post(rw http.ResponseWriter, r *http.Request, query string) error {
	d, err := New(rw, r, Options{})
	if err != nil {
		return err
	}
	var label [2]string
	for i, m := range labels.FindAllStringSubmatch(query, len(label)) {
		label[i] = m[1]
	}
	author := d.Defer(Path{"post"}, label[0])
	address := author.Defer(Path{"post", "author"}, label[1])
	comments, streams := `["a","b","c","d"]`, strings.Contains(query, "@stream")
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
	step := func(send func() error) {
		if err == nil {
			err = b.wait(r.Context())
		}
		if err == nil {
			err = send()
		}
	}
	if streams {
		for _, item := range []string{"b", "c", "d"} {
			step(func() error { return rest.Items(1, func(w *stream.Writer) error { w.String(item); return nil }) })
		}
		err = errors.Join(err, rest.End())
	}
	step(func() error { return author.Complete(raw(`{"author":{"name":"Ada"}}`)) })
	step(func() error {
		return address.Complete(func(w *stream.Writer) error {
			return w.Any(map[string]any{"address": map[string]any{"zip": "é\n\u2028"}})
		})
	})
	if err != nil {
		err = errors.Join(err, author.Fail(err), address.Fail(err)) // So that Close does not wait.
	}
	return errors.Join(err, d.Close())
}
