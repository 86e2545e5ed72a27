package incremental

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	mimemultipart "mime/multipart"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/stream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var accepts = map[string]Format{
	"multipart/mixed":                                       Multipart,
	"multipart/mixed;incrementalSpec=v0.2":                  MultipartV02,
	`multipart/mixed; deferSpec=20220824, application/json`: Multipart2022,
	"text/event-stream":                                     EventStream,
	"application/x-ndjson":                                  Lines,
	"application/jsonl;q=0.5, text/event-stream;q=0.4":      Lines,
	"application/json":                                      None,
	"":                                                      None,
	"*/*":                                                   None,
	"multipart/mixed;q=0, application/json":                 None,
	"text/event-stream;q=x, application/graphql-response+json":   None,
	"application/json, text/event-stream;q=0.9, multipart/mixed": Multipart,
}

func TestNegotiate(t *testing.T) {
	for accept, want := range accepts {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Accept", accept)
		if got := Negotiate(r); got != want {
			t.Errorf("%q: got %d, want %d", accept, got, want)
		}
	}
}

// payloads reads the payloads of a response as they come.
func payloads(t *testing.T, response *http.Response, each func(map[string]any)) error {
	t.Helper()
	decode := func(b []byte) error {
		var p map[string]any
		if err := json.Unmarshal(b, &p); err != nil {
			return err
		}
		each(p)
		return nil
	}
	media, parameters, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	switch media {
	case "multipart/mixed":
		r := mimemultipart.NewReader(response.Body, parameters["boundary"])
		for {
			part, err := r.NextPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			b, err := io.ReadAll(part)
			if err != nil {
				return err
			}
			if err := decode(b); err != nil {
				return err
			}
		}
	case "text/event-stream", "application/x-ndjson", "application/jsonl":
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		complete := media != "text/event-stream"
		for lines.Scan() {
			line := lines.Text()
			if media == "text/event-stream" {
				if line == "event: complete" {
					complete = true
				}
				data, ok := strings.CutPrefix(line, "data: ")
				if !ok {
					if line != "" && line != ":" && line != "event: next" && line != "event: complete" && line != "data:" {
						t.Errorf("got line %q", line)
					}
					continue
				}
				line = data
			}
			if line != "" {
				if err := decode([]byte(line)); err != nil {
					return err
				}
			}
		}
		if err := lines.Err(); err != nil {
			return err
		}
		if !complete {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	t.Fatalf("got %s", media)
	return nil
}

// client merges payloads as clients of each format do.
type merger struct {
	t       *testing.T
	result  map[string]any
	pending map[string]map[string]any
	errors  []any
	last    bool
}

func (m *merger) at(path []any) (parent any, key any) {
	var v any = m.result["data"]
	if len(path) == 0 {
		return nil, nil
	}
	for _, k := range path[:len(path)-1] {
		v = child(v, k)
	}
	return v, path[len(path)-1]
}

func child(v, key any) any {
	switch key := key.(type) {
	case string:
		return v.(map[string]any)[key]
	case float64:
		return v.([]any)[int(key)]
	}
	return nil
}

func (m *merger) get(path []any) any {
	if len(path) == 0 {
		return m.result["data"]
	}
	parent, key := m.at(path)
	return child(parent, key)
}

func (m *merger) add(p map[string]any) {
	m.t.Helper()
	if m.last {
		m.t.Errorf("a payload after the last: %v", p)
	}
	m.last = p["hasNext"] == false
	if m.result == nil {
		m.result = map[string]any{"data": p["data"]}
		m.pending = map[string]map[string]any{}
	}
	if list, ok := p["errors"].([]any); ok {
		m.errors = append(m.errors, list...)
	}
	pending, _ := p["pending"].([]any)
	for _, each := range pending {
		e := each.(map[string]any)
		m.pending[e["id"].(string)] = e
	}
	incremental, _ := p["incremental"].([]any)
	for _, each := range incremental {
		e := each.(map[string]any)
		if list, ok := e["errors"].([]any); ok {
			m.errors = append(m.errors, list...)
		}
		path, _ := e["path"].([]any)
		if id, ok := e["id"].(string); ok {
			known := m.pending[id]
			if known == nil {
				m.t.Errorf("%v was not announced", e)
				continue
			}
			if announced := known["path"].([]any); path == nil {
				path = announced
			} else if !reflect.DeepEqual(path[:len(announced)], announced) {
				m.t.Errorf("%v was announced for %v", e, announced)
			}
		}
		if data, ok := e["data"].(map[string]any); ok {
			target := m.get(path).(map[string]any)
			for k, v := range data {
				target[k] = v
			}
		}
		if items, ok := e["items"].([]any); ok {
			if _, ok := e["path"]; ok {
				index := int(path[len(path)-1].(float64))
				path = path[:len(path)-1]
				if n := len(m.get(path).([]any)); n != index {
					m.t.Errorf("items at %d, the list has %d", index, n)
				}
			}
			list := append(m.get(path).([]any), items...)
			parent, key := m.at(path)
			parent.(map[string]any)[key.(string)] = list
		}
	}
	for _, e := range m.pending { // The same payload may have their place.
		if m.get(e["path"].([]any)) == nil {
			m.t.Errorf("%v is announced before its place is there", e)
		}
	}
	completed, _ := p["completed"].([]any)
	for _, each := range completed {
		e := each.(map[string]any)
		if list, ok := e["errors"].([]any); ok {
			m.errors = append(m.errors, list...)
		}
		if m.pending[e["id"].(string)] == nil {
			m.t.Errorf("%v was not pending", e)
		}
		delete(m.pending, e["id"].(string))
	}
}

func serve(t *testing.T, o Options, run func(d *Delivery) error) (*httptest.Server, <-chan error) {
	errs := make(chan error, 100)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		d, err := New(rw, r, o)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusNotAcceptable)
			errs <- err
			return
		}
		err = run(d)
		errs <- errors.Join(err, d.Close())
	}))
	t.Cleanup(func() {
		s.Client().CloseIdleConnections()
		s.Close()
	})
	return s, errs
}

func get(t *testing.T, s *httptest.Server, accept string) *http.Response {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, nil)
	r.Header.Set("Accept", accept)
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// object returns a body that writes JSON text of members.
func raw(text string) func(*stream.Writer) error {
	return func(w *stream.Writer) error { w.Raw([]byte(text)); return nil }
}

// blog is an execution with parts of all kinds, some at the same time.
func blog(d *Delivery) error {
	author, list := d.Defer(Path{"post"}, "author"), d.Stream(Path{"post", "comments"}, "", 1)
	broken := d.Defer(Path{"post"}, "broken")
	short := d.Stream(Path{"post", "tags"}, "tags", 0)
	var wg sync.WaitGroup
	wg.Go(func() {
		address := author.Defer(Path{"post", "author"}, "address")
		wg.Go(func() { _ = address.Complete(raw("{\n\"address\": {\"zip\":\"1\"}}")) })
		_ = author.Complete(raw(`{"author":{"name":"Ada"}}`))
	})
	wg.Go(func() {
		for i := 1; i < 50; i++ {
			_ = list.Items(1, func(w *stream.Writer) error { w.Int(int64(i)); return nil })
		}
		_ = list.End()
	})
	wg.Go(func() {
		never := broken.Defer(Path{"post", "broken"}, "never")
		_ = never.Complete(raw(`{"never":1}`))
		_ = broken.Complete(func(w *stream.Writer) error { w.BeginObject(); return errors.New("secret") })
	})
	wg.Go(func() {
		_ = short.Items(2, func(w *stream.Writer) error { w.String("a"); w.String("b"); return nil })
		_ = short.Fail(&stream.Error{Message: "no more tags"})
	})
	err := d.Initial(func(w *stream.Writer) error {
		w.Name("data")
		w.Raw([]byte(`{"post":{"id":1,"comments":[0],"tags":[]}}`))
		return nil
	})
	wg.Wait()
	return err
}

func TestAllFormats(t *testing.T) {
	comments := make([]any, 50)
	for i := range comments {
		comments[i] = float64(i)
	}
	want := map[string]any{"data": map[string]any{"post": map[string]any{
		"id": 1.0, "comments": comments, "tags": []any{"a", "b"}, "author": map[string]any{"name": "Ada", "address": map[string]any{"zip": "1"}},
	}}}
	for accept, format := range accepts {
		if format == None {
			continue
		}
		t.Run(accept, func(t *testing.T) {
			for range 20 {
				s, errs := serve(t, Options{}, blog)
				response := get(t, s, accept)
				m := merger{t: t}
				if err := payloads(t, response, m.add); err != nil {
					t.Fatal(err)
				}
				if err := <-errs; err != nil {
					t.Error(err)
				}
				if !m.last || len(m.pending) > 0 && format != Multipart2022 {
					t.Errorf("last %v, pending %v", m.last, m.pending)
				}
				if !reflect.DeepEqual(m.result, want) {
					t.Errorf("got  %v\nwant %v", m.result, want)
				}
				text := fmt.Sprint(m.errors)
				if len(m.errors) != 2 || !strings.Contains(text, "Internal server error") || !strings.Contains(text, "no more tags") || strings.Contains(text, "secret") {
					t.Errorf("got errors %v", m.errors)
				}
			}
		})
	}
}

// The texts of the payloads, so that a change of them is noticed.
func TestPayloads(t *testing.T) {
	run := func(d *Delivery) error {
		p := d.Defer(Path{"a"}, "l")
		l := d.Stream(Path{"b"}, "", 2)
		if err := d.Initial(func(w *stream.Writer) error { w.Name("data"); w.Raw([]byte(`{"a":{},"b":[1,2]}`)); return nil }); err != nil {
			return err
		}
		return errors.Join(
			p.Complete(raw(`{"x":1}`)),
			l.Items(1, func(w *stream.Writer) error { w.Int(3); return nil }),
			l.Fail(&stream.Error{Message: "m"}))
	}
	current := []string{
		`{"data":{"a":{},"b":[1,2]},"pending":[{"id":"0","path":["a"],"label":"l"},{"id":"1","path":["b"]}],"hasNext":true}`,
		`{"incremental":[{"id":"0","data":{"x":1}}],"completed":[{"id":"0"}],"hasNext":true}`,
		`{"incremental":[{"id":"1","items":[3]}],"hasNext":true}`,
		`{"completed":[{"id":"1","errors":[{"message":"m","path":["b"]}]}],"hasNext":false}`,
	}
	withPaths := strings.NewReplacer(`{"id":"0","data"`, `{"id":"0","path":["a"],"label":"l","data"`, `{"id":"1","items"`, `{"id":"1","path":["b",2],"items"`)
	for accept, want := range map[string]string{
		"multipart/mixed;incrementalSpec=v0.2": "\r\n--graphql\r\nContent-Type: application/json; charset=utf-8\r\n\r\n" + strings.Join(current, "\r\n--graphql\r\nContent-Type: application/json; charset=utf-8\r\n\r\n") + "\r\n--graphql--\r\n",
		"text/event-stream":                    withPaths.Replace("event: next\ndata: " + strings.Join(current, "\n\nevent: next\ndata: ") + "\n\nevent: complete\ndata:\n\n"),
		"application/x-ndjson":                 withPaths.Replace(strings.Join(current, "\n") + "\n"),
		"multipart/mixed;deferSpec=20220824": "\r\n--graphql\r\nContent-Type: application/json; charset=utf-8\r\n\r\n" + strings.Join([]string{
			`{"data":{"a":{},"b":[1,2]},"hasNext":true}`,
			`{"incremental":[{"path":["a"],"label":"l","data":{"x":1}}],"hasNext":true}`,
			`{"incremental":[{"path":["b",2],"items":[3]}],"hasNext":true}`,
			`{"incremental":[{"path":["b",3],"items":null,"errors":[{"message":"m","path":["b"]}]}],"hasNext":false}`,
		}, "\r\n--graphql\r\nContent-Type: application/json; charset=utf-8\r\n\r\n") + "\r\n--graphql--\r\n",
	} {
		s, errs := serve(t, Options{}, run)
		response := get(t, s, accept)
		got, err := io.ReadAll(response.Body)
		if err := errors.Join(err, <-errs); err != nil {
			t.Error(err)
		}
		if string(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", accept, got, want)
		}
		if response.Header.Get("X-Accel-Buffering") != "no" {
			t.Error("proxies may buffer")
		}
	}
}

// Parts that are complete before the initial result is sent come all the same.
func TestPartsBeforeTheInitialResult(t *testing.T) {
	s, errs := serve(t, Options{}, func(d *Delivery) error {
		p := d.Defer(Path{"a"}, "")
		err := p.Complete(raw(`{"x":1}`))
		return errors.Join(err, d.Initial(func(w *stream.Writer) error { w.Name("data"); w.Raw([]byte(`{"a":{}}`)); return nil }))
	})
	m := merger{t: t}
	if err := payloads(t, get(t, s, "multipart/mixed"), m.add); err != nil {
		t.Error(err)
	}
	if err := <-errs; err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(m.result); got != "map[data:map[a:map[x:1]]]" || !m.last {
		t.Errorf("got %s", got)
	}
}

// New says which of the two it is that does not accept parts.
func TestNotAccepted(t *testing.T) {
	r := httptest.NewRequest("POST", "/", nil)
	_, client := New(httptest.NewRecorder(), r, Options{})
	r.Header.Set("Accept", "multipart/mixed")
	_, writer := New(httptest.NewRecorder(), r, Options{})
	if !errors.Is(client, ErrNotAccepted) || !strings.Contains(client.Error(), "client") {
		t.Error(client)
	}
	if !errors.Is(writer, ErrNotAccepted) || !strings.Contains(writer.Error(), "ResponseWriter") {
		t.Error(writer)
	}
	if _, err := New(httptest.NewRecorder(), r, Options{MaxQueued: -1}); err == nil || errors.Is(err, ErrNotAccepted) {
		t.Errorf("MaxQueued below 0: %v", err)
	}
}

func TestNoParts(t *testing.T) {
	s, errs := serve(t, Options{}, func(d *Delivery) error {
		return d.Initial(func(w *stream.Writer) error { w.Name("data"); w.Null(); return nil })
	})
	var got []map[string]any
	if err := payloads(t, get(t, s, "text/event-stream"), func(p map[string]any) { got = append(got, p) }); err != nil {
		t.Error(err)
	}
	if len(got) != 1 || got[0]["hasNext"] != false {
		t.Errorf("got %v", got)
	}
	if err := <-errs; err != nil {
		t.Error(err)
	}
	if response := get(t, s, "application/json"); response.StatusCode != http.StatusNotAcceptable {
		t.Errorf("got %d", response.StatusCode)
	}
	if err := <-errs; !errors.Is(err, ErrNotAccepted) {
		t.Errorf("got %v", err)
	}
}

// Heartbeats come while nothing is ready. The part is completed when the client has some.
func TestHeartbeats(t *testing.T) {
	for accept, beat := range map[string]string{"text/event-stream": ":\n\n:\n\n", "application/x-ndjson": "\n  "} {
		received := make(chan struct{})
		s, errs := serve(t, Options{Heartbeat: time.Millisecond}, func(d *Delivery) error {
			p := d.Defer(nil, "")
			err := d.Initial(func(w *stream.Writer) error { w.Name("data"); w.Raw([]byte("{}")); return nil })
			select {
			case <-received:
			case <-d.ctx.Done():
			case <-time.After(time.Minute):
				t.Errorf("%s: no heartbeats", accept)
			}
			return errors.Join(err, p.Complete(raw(`{"a":1}`)))
		})
		response := get(t, s, accept)
		var text []byte
		one := make([]byte, 1)
		for !strings.Contains(string(text), beat) {
			if _, err := response.Body.Read(one); err != nil {
				t.Fatalf("%s: %v after %q", accept, err, text)
			}
			text = append(text, one[0])
		}
		close(received)
		rest, err := io.ReadAll(response.Body)
		if err := errors.Join(err, <-errs); err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(rest), `"data":{"a":1}`) {
			t.Errorf("%s: got %q after the heartbeats", accept, rest)
		}
	}
}

// What fails never looks like an end.
func TestAborts(t *testing.T) {
	broken := errors.New("broken")
	for accept, format := range accepts {
		if format == None {
			continue
		}
		s, errs := serve(t, Options{Writer: stream.Options{MinChunk: 64}}, func(d *Delivery) error {
			return d.Initial(func(w *stream.Writer) error {
				w.Name("data")
				w.BeginArray()
				for range 100 {
					w.String("some text")
				}
				return broken
			})
		})
		err := payloads(t, get(t, s, accept), func(map[string]any) {})
		if err == nil {
			t.Errorf("%s: the response ended well", accept)
		}
		if err := <-errs; !errors.Is(err, broken) {
			t.Errorf("%s: got %v", accept, err)
		}
	}
}

func TestClientThatGoesAway(t *testing.T) {
	for range 50 {
		started := make(chan struct{})
		s, errs := serve(t, Options{}, func(d *Delivery) error {
			list := d.Stream(Path{"l"}, "", 0)
			_ = d.Initial(func(w *stream.Writer) error { w.Name("data"); w.Raw([]byte(`{"l":[]}`)); return nil })
			close(started)
			for {
				if err := list.Items(1, func(w *stream.Writer) error { w.String(strings.Repeat("x", 1000)); return nil }); err != nil {
					return err
				}
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, nil)
		r.Header.Set("Accept", "text/event-stream")
		response, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		<-started
		cancel()
		response.Body.Close()
		waitForError(t, errs)
	}
}

// waitForError waits until a handler has returned an error.
func waitForError(t *testing.T, errs <-chan error) {
	t.Helper()
	select {
	case err := <-errs:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(time.Minute):
		t.Fatal("the handler goes on")
	}
}

// A part that never ends does not keep the handler of a client that is gone.
func TestCloseEndsWithTheRequest(t *testing.T) {
	s, errs := serve(t, Options{}, func(d *Delivery) error {
		d.Defer(nil, "")
		return d.Initial(func(w *stream.Writer) error { w.Name("data"); w.Raw([]byte(`{}`)); return nil })
	})
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, nil)
	r.Header.Set("Accept", "text/event-stream")
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	cancel()
	select {
	case err := <-errs:
		// It may be writing the initial result still.
		if !errors.Is(err, context.Canceled) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Close waits forever")
	}
}

func TestMisuse(t *testing.T) {
	s, errs := serve(t, Options{}, func(d *Delivery) error {
		p := d.Defer(nil, "")
		initial := func() error {
			return d.Initial(func(w *stream.Writer) error { w.Name("data"); w.Raw([]byte(`{}`)); return nil })
		}
		if err := initial(); err != nil {
			return err
		}
		if err := initial(); err == nil {
			t.Error("Initial was called twice")
		}
		if err := p.Complete(raw("{}")); err != nil {
			t.Error(err)
		}
		if err := p.Complete(raw("{}")); err == nil {
			t.Error("a part was completed twice")
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Fail(errors.New("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	if err := payloads(t, get(t, s, "multipart/mixed"), func(map[string]any) {}); err != nil {
		t.Error(err)
	}
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Errorf("the second Close: %v", err)
	}
	s, errs = serve(t, Options{}, func(d *Delivery) error {
		return d.Initial(func(w *stream.Writer) error { return &stream.Error{Message: "no", Status: http.StatusForbidden} })
	})
	if response := get(t, s, "multipart/mixed"); response.StatusCode != http.StatusForbidden || response.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("got %d %v", response.StatusCode, response.Header)
	}
	<-errs
	s, errs = serve(t, Options{}, func(d *Delivery) error { return nil })
	if response := get(t, s, "multipart/mixed"); response.StatusCode != http.StatusInternalServerError {
		t.Errorf("got %d", response.StatusCode)
	}
	if err := <-errs; err == nil {
		t.Error("Close without Initial: no error")
	}
}

// A delivery that is held ends when it is released, also if nothing comes.
func TestHold(t *testing.T) {
	for _, parts := range []int{0, 2} {
		s, errs := serve(t, Options{}, func(d *Delivery) error {
			release := d.Hold()
			defer release()
			if err := d.Initial(func(w *stream.Writer) error { w.Name("data"); w.Raw([]byte(`{}`)); return nil }); err != nil {
				return err
			}
			for i := range parts {
				part := d.Defer(Path{i}, "")
				if i == parts-1 {
					release()
					release() // does nothing
				}
				if err := part.Complete(func(w *stream.Writer) error {
					w.Raw([]byte(`{"x":1}`))
					w.Report(&stream.Error{Message: "lost", Locations: []stream.Location{{Line: 2, Column: 3}}}, Path{"y"})
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, nil)
		r.Header.Set("Accept", "application/x-ndjson")
		response, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := <-errs; err != nil {
			t.Error(err)
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		if !strings.Contains(lines[0], `"hasNext":true`) || !strings.Contains(lines[len(lines)-1], `"hasNext":false`) || strings.Count(string(b), `"hasNext":false`) != 1 {
			t.Errorf("%d parts: %s", parts, b)
		}
		if strings.Count(string(b), `{"x":1}`) != parts || strings.Count(string(b), `{"message":"lost","locations":[{"line":2,"column":3}],"path":["y"]}`) != parts {
			t.Errorf("%d parts: %s", parts, b)
		}
	}
}

// A body that panics does not make Close wait for it.
func TestPanicInInitial(t *testing.T) {
	s, errs := serve(t, Options{}, func(d *Delivery) (err error) {
		defer func() { err = fmt.Errorf("recovered %v", recover()) }()
		return d.Initial(func(*stream.Writer) error { panic("on purpose") })
	})
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, nil)
	r.Header.Set("Accept", "text/event-stream")
	if response, err := s.Client().Do(r); err == nil {
		response.Body.Close()
	}
	select {
	case err := <-errs:
		if err == nil || !strings.Contains(err.Error(), "on purpose") {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Close waits forever")
	}
}
