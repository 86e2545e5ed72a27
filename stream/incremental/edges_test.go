package incremental

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/stream"
)

func decoded(t *testing.T, b []byte) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return v
}

// deliverLines delivers as lines, and returns them, decoded.
func deliverLines(t *testing.T, o Options, run func(d *Delivery) error) (list []map[string]any, text string) {
	t.Helper()
	s, errs := serve(t, o, run)
	b, err := io.ReadAll(get(t, s, "application/x-ndjson").Body)
	if err := errors.Join(err, <-errs); err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(b)) {
		list = append(list, decoded(t, []byte(line)))
	}
	return list, string(b)
}

// A body that panics or ends its goroutine fails its part, and nothing waits for it.
func TestBodiesThatPanic(t *testing.T) {
	bodies := map[string]func(*stream.Writer) error{
		"panic":   func(*stream.Writer) error { panic(io.ErrNoProgress) },
		"marshal": func(w *stream.Writer) error { return w.Any(map[string]any{"x": panics{}}) },
		"half":    func(w *stream.Writer) error { w.BeginObject(); w.Name("a"); panic("in the middle") },
		"exit":    func(*stream.Writer) error { runtime.Goexit(); return nil },
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			_, text := deliverLines(t, Options{}, func(d *Delivery) error {
				p, l := d.Defer(Path{"a"}, ""), d.Stream(Path{"l"}, "", 0)
				if err := d.Initial(member("data", `{"a":{},"l":[]}`)); err != nil {
					return err
				}
				var wg sync.WaitGroup
				for _, call := range []func() error{
					func() error { return p.Complete(body) },
					func() error { return l.Items(1, body) },
				} {
					wg.Go(func() {
						err := call()
						if err == nil {
							t.Error("no error")
						}
						p := (*PanicError)(nil)
						if name == "panic" && (!errors.As(err, &p) || len(p.Stack) == 0 || !errors.Is(err, io.ErrNoProgress)) {
							t.Errorf("got %v", err)
						}
					})
				}
				wg.Wait()
				return nil
			})
			if strings.Count(text, `"Internal server error"`) != 2 || !strings.HasSuffix(text, `"hasNext":false}`+"\n") {
				t.Errorf("got %s", text)
			}
		})
		t.Run(name+" in the initial result", func(t *testing.T) {
			s, errs := serve(t, Options{}, func(d *Delivery) (err error) {
				d.Defer(nil, "")
				done := make(chan struct{})
				go func() {
					defer close(done)
					err = d.Initial(body)
				}()
				<-done
				return nil
			})
			response := get(t, s, "multipart/mixed")
			if response.StatusCode != http.StatusInternalServerError {
				t.Errorf("got %s", response.Status)
			}
			if err := <-errs; err == nil {
				t.Error("no error")
			}
		})
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("in MarshalJSON") }

// An error that cannot be sent ends the delivery, and not the process.
func TestErrorThatPanics(t *testing.T) {
	s, errs := serve(t, Options{}, func(d *Delivery) error {
		p := d.Defer(nil, "")
		if err := d.Initial(member("data", "{}")); err != nil {
			return err
		}
		return p.Fail(&stream.Error{Message: "m", Extensions: map[string]any{"x": panics{}}})
	})
	if err := payloads(t, get(t, s, "application/x-ndjson"), func(map[string]any) {}); err == nil {
		t.Error("the response ended well")
	}
	if err := <-errs; err == nil {
		t.Error("no error")
	}
}

type exits struct{}

func (exits) MarshalJSON() ([]byte, error) { runtime.Goexit(); return nil, nil }

// So does one that ends the goroutine that sends it.
func TestErrorThatExits(t *testing.T) {
	s, errs := serve(t, Options{}, func(d *Delivery) error {
		p := d.Defer(nil, "")
		if err := d.Initial(member("data", "{}")); err != nil {
			return err
		}
		var wg sync.WaitGroup
		wg.Go(func() { _ = p.Fail(&stream.Error{Message: "m", Extensions: map[string]any{"x": exits{}}}) })
		wg.Wait()
		return nil
	})
	if err := payloads(t, get(t, s, "application/x-ndjson"), func(map[string]any) {}); err == nil {
		t.Error("the response ended well")
	}
	if err := <-errs; !errors.Is(err, errExited) {
		t.Errorf("got %v", err)
	}
}

// A body may use the delivery.
func TestBodiesThatCallBack(t *testing.T) {
	large := `{"x":"` + strings.Repeat("x", 1000) + `"}`
	list, text := deliverLines(t, Options{MaxQueued: 1000}, func(d *Delivery) error {
		outer := d.Defer(Path{"a"}, "outer")
		err := d.Initial(func(w *stream.Writer) error {
			for range 3 { // More than what may be queued, and nobody to send it.
				if err := d.Defer(Path{"a"}, "early").Complete(raw(large)); err != nil {
					return err
				}
			}
			w.Name("data")
			w.Raw([]byte(`{"a":{}}`))
			return nil
		})
		return errors.Join(err, outer.Complete(func(w *stream.Writer) error {
			w.Raw([]byte(`{"b":{}}`))
			return outer.Defer(Path{"a", "b"}, "inner").Complete(raw(`{"c":1}`))
		}))
	})
	if strings.Count(text, large) != 3 || strings.Count(text, `{"c":1}`) != 1 || list[len(list)-1]["hasNext"] != false {
		t.Errorf("got %s", text)
	}
}

// Parts that are ready before anything is sent do not wait for what only their own caller
// can send.
func TestMuchBeforeTheInitialResult(t *testing.T) {
	_, text := deliverLines(t, Options{MaxQueued: 100}, func(d *Delivery) error {
		l := d.Stream(Path{"l"}, "", 0)
		for range 10 {
			if err := l.Items(1, func(w *stream.Writer) error { w.String(strings.Repeat("x", 90)); return nil }); err != nil {
				return err
			}
		}
		return errors.Join(l.End(), d.Initial(member("data", `{"l":[]}`)))
	})
	if strings.Count(text, strings.Repeat("x", 90)) != 10 {
		t.Errorf("got %s", text)
	}
}

// Close inside of the initial result's body does not wait for itself, nor does a body that
// runs after Close write anything.
func TestCloseInInitial(t *testing.T) {
	s, errs := serve(t, Options{}, func(d *Delivery) error {
		err := d.Initial(func(w *stream.Writer) error {
			if err := d.Close(); err == nil {
				t.Error("Close: no error")
			}
			w.Name("data")
			w.Null()
			return nil
		})
		if err == nil {
			t.Error("Initial: no error")
		}
		return nil
	})
	response := get(t, s, "multipart/mixed")
	b, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusInternalServerError || strings.Contains(string(b), "hasNext") {
		t.Errorf("got %s %s", response.Status, b)
	}
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Errorf("the second Close: %v", err)
	}
}

// What comes after the end is refused: the client has been told that nothing follows.
func TestPartsAfterTheEnd(t *testing.T) {
	list, text := deliverLines(t, Options{}, func(d *Delivery) error {
		p := d.Defer(Path{"a"}, "")
		if err := errors.Join(d.Initial(member("data", `{"a":{}}`)), p.Complete(raw(`{"x":1}`))); err != nil {
			return err
		}
		for _, late := range []*Part{d.Defer(Path{"a"}, ""), p.Defer(Path{"a"}, "")} {
			if err := late.Complete(raw(`{"y":1}`)); !errors.Is(err, ErrEnded) {
				t.Errorf("got %v", err)
			}
		}
		if err := d.Stream(Path{"a"}, "", 0).Items(0, raw("1")); !errors.Is(err, ErrEnded) {
			t.Errorf("got %v", err)
		}
		d.Hold()() // Too late for that, and harmless.
		return nil
	})
	if len(list) != 2 || strings.Contains(text, "y") {
		t.Errorf("got %s", text)
	}
}

// A part inside of one that has failed is never heard of, whenever it is announced.
func TestPartsInsideOfAFailedOne(t *testing.T) {
	_, text := deliverLines(t, Options{}, func(d *Delivery) error {
		p := d.Defer(Path{"a"}, "")
		early := p.Defer(Path{"a", "b"}, "never")
		if err := errors.Join(d.Initial(member("data", `{"a":{}}`)), p.Fail(errors.New("x"))); err != nil {
			return err
		}
		late := p.Defer(Path{"a", "b"}, "never")
		return errors.Join(early.Complete(raw(`{"never":1}`)), late.Complete(raw(`{"never":1}`)), late.Defer(nil, "never").Fail(io.EOF))
	})
	if strings.Contains(text, "never") || strings.Count(text, "\n") != 2 {
		t.Errorf("got %s", text)
	}
}

// Using a part for what it is not fails it, so that Close does not wait for it.
func TestWrongKindOfPart(t *testing.T) {
	_, text := deliverLines(t, Options{}, func(d *Delivery) error {
		fragments := []*Part{d.Defer(nil, ""), d.Defer(nil, "")}
		lists := []*Part{d.Stream(Path{"l"}, "", 0), d.Stream(Path{"l"}, "", 0)}
		if err := d.Initial(member("data", `{"l":[]}`)); err != nil {
			return err
		}
		for i, err := range []error{
			fragments[0].Items(1, raw("1")), fragments[1].End(), lists[0].Complete(raw("{}")), lists[1].Items(-1, raw("1")),
		} {
			if err == nil || !strings.Contains(err.Error(), "incremental: ") {
				t.Errorf("%d: got %v", i, err)
			}
		}
		return nil
	})
	if strings.Count(text, "Internal server error") != 4 {
		t.Errorf("got %s", text)
	}
}

// The caller may use its path again.
func TestPathIsCopied(t *testing.T) {
	_, text := deliverLines(t, Options{}, func(d *Delivery) error {
		path := Path{"list", 0}
		var parts []*Part
		for i := range 3 {
			path[1] = i
			parts = append(parts, d.Defer(path, ""))
		}
		err := d.Initial(member("data", `{"list":[{},{},{}]}`))
		for _, p := range parts {
			err = errors.Join(err, p.Complete(raw("{}")))
		}
		return err
	})
	for i := range 3 {
		if strings.Count(text, fmt.Sprintf(`"path":["list",%d]`, i)) != 2 {
			t.Errorf("got %s", text)
		}
	}
}

// Many use a delivery that is closed meanwhile, from several goroutines: one Close ends it,
// and nobody touches the ResponseWriter afterwards.
func TestCloseByMany(t *testing.T) {
	for range 20 {
		rw := &guarded{}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rw.ResponseWriter = w
			d, err := New(rw, r, Options{Heartbeat: time.Microsecond, MaxQueued: 100})
			if err != nil {
				t.Error(err)
				return
			}
			l := d.Stream(Path{"l"}, "", 0)
			_ = d.Initial(member("data", `{"l":[]}`))
			var producers sync.WaitGroup
			for range 4 {
				producers.Go(func() {
					for range 20 {
						_ = l.Items(1, raw(`"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"`))
					}
					_ = l.End()
				})
			}
			var closers sync.WaitGroup
			var mu sync.Mutex
			closed := 0
			for range 3 {
				closers.Go(func() {
					err := d.Close()
					mu.Lock()
					defer mu.Unlock()
					if !errors.Is(err, ErrClosed) {
						closed++
					}
				})
			}
			closers.Wait()
			rw.over()
			if closed != 1 {
				t.Errorf("%d calls of Close ended it", closed)
			}
			producers.Wait()
		}))
		response := get(t, s, "text/event-stream")
		m := merger{t: t}
		if err := payloads(t, response, m.add); err != nil || !m.last {
			t.Errorf("%v, last %v", err, m.last)
		}
		response.Body.Close()
		s.Client().CloseIdleConnections()
		s.Close()
		if rw.late {
			t.Error("the ResponseWriter was used after Close")
		}
	}
}

// guarded notices a write after the handler has returned.
type guarded struct {
	http.ResponseWriter
	mu          sync.Mutex
	ended, late bool
}

func (g *guarded) Unwrap() http.ResponseWriter { return g.ResponseWriter }

func (g *guarded) over() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
}

func (g *guarded) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.late = g.late || g.ended
	return g.ResponseWriter.Write(b)
}

// An event stream reports an error before the first payload by an event: to its clients a
// status is a failure of the network.
func TestErrorInAnEventStream(t *testing.T) {
	s, errs := serve(t, Options{}, func(d *Delivery) error {
		return d.Initial(func(*stream.Writer) error { return &stream.Error{Message: "no", Status: http.StatusForbidden} })
	})
	response := get(t, s, "text/event-stream")
	b, err := io.ReadAll(response.Body)
	want := "event: next\ndata: {\"errors\":[{\"message\":\"no\"}]}\n\nevent: complete\ndata:\n\n"
	if err != nil || response.StatusCode != http.StatusOK || string(b) != want {
		t.Errorf("%v: got %s %q", err, response.Status, b)
	}
	if err := <-errs; err == nil {
		t.Error("no error")
	}
}

// A client that takes nothing does not keep producers or the handler once the request ends.
func TestSlowClientThatGoesAway(t *testing.T) {
	s, errs := serve(t, Options{WriteTimeout: -1, MaxQueued: 1 << 10}, func(d *Delivery) error {
		l := d.Stream(Path{"l"}, "", 0)
		if err := d.Initial(member("data", `{"l":[]}`)); err != nil {
			return err
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for l.Items(1, func(w *stream.Writer) error { w.String(strings.Repeat("x", 1<<20)); return nil }) == nil {
				}
			})
		}
		wg.Wait() // Before Close.
		return nil
	})
	response := get(t, s, "text/event-stream")
	if _, err := io.ReadFull(response.Body, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	waitForError(t, errs)
}

// A middleware that panics in Write fails the delivery.
func TestResponseWriterThatPanics(t *testing.T) {
	errs := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := New(panickingWriter{w}, r, Options{})
		if err != nil {
			t.Error(err)
			return
		}
		d.Defer(nil, "")
		err = d.Initial(member("data", "{}"))
		errs <- errors.Join(err, d.Close())
	}))
	defer s.Close()
	defer s.Client().CloseIdleConnections()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, nil)
	r.Header.Set("Accept", "multipart/mixed")
	if response, err := s.Client().Do(r); err == nil {
		response.Body.Close()
	}
	if err := <-errs; !errors.As(err, new(*PanicError)) {
		t.Errorf("got %v", err)
	}
}

type panickingWriter struct{ http.ResponseWriter }

func (w panickingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
func (w panickingWriter) Write([]byte) (int, error)   { panic("no more") }

// blocking is a ResponseWriter that calls on before each write.
type blocking struct {
	http.ResponseWriter
	on func(b []byte)
}

func (w blocking) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w blocking) Write(b []byte) (int, error) {
	w.on(b)
	return w.ResponseWriter.Write(b)
}

// lastOf delivers an event stream, and reports whether it has its end if run returns nil.
func lastOf(t *testing.T, on func(b []byte), run func(d *Delivery) error) {
	t.Helper()
	errs := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, err := New(blocking{w, on}, r, Options{Heartbeat: 20 * time.Millisecond})
		if err != nil {
			errs <- err
			return
		}
		errs <- errors.Join(run(d), d.Close())
	}))
	defer s.Close()
	b, err := io.ReadAll(get(t, s, "text/event-stream").Body)
	if err := errors.Join(err, <-errs); err != nil {
		t.Error(err)
	}
	if !strings.Contains(string(b), `"hasNext":false`) || !strings.HasSuffix(string(b), "event: complete\ndata:\n\n") {
		t.Errorf("Close returned nil for %q", b)
	}
}

// The payload that ends the response is due when the last hold is released, also without parts.
func TestReleaseDuringAHeartbeat(t *testing.T) {
	beating, released := make(chan struct{}), make(chan struct{})
	var once sync.Once
	lastOf(t, func(b []byte) {
		if string(b) == ":\n\n" {
			once.Do(func() { close(beating); <-released })
		}
	}, func(d *Delivery) error {
		release := d.Hold()
		err := d.Initial(member("data", "{}"))
		<-beating
		release()
		close(released)
		return err
	})
}

// Close waits for that payload, which release sends after it has woken Close.
func TestReleaseDuringClose(t *testing.T) {
	sent := make(chan error, 1)
	lastOf(t, func([]byte) {}, func(d *Delivery) error {
		d.Hold()
		err := d.Initial(member("data", "{}"))
		go func() { // These are the two halves of release.
			d.mu.Lock()
			d.open--
			d.changed.Broadcast()
			d.mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			sent <- d.send()
		}()
		return err
	})
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// A client that reads the error response slowly does not keep parts waiting, but another Close.
func TestPartsDuringTheErrorResponse(t *testing.T) {
	for _, accept := range []string{"application/x-ndjson", "text/event-stream"} {
		errs := make(chan error, 2)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var part *Part
			failed := make(chan error, 1)
			d, err := New(blocking{w, func([]byte) {
				go func() { failed <- part.Fail(io.EOF) }()
				select {
				case err := <-failed:
					errs <- err
				case <-time.After(10 * time.Second):
					errs <- errors.New("the part waits for the client")
				}
			}}, r, Options{})
			if err != nil {
				errs <- err
				return
			}
			part = d.Defer(nil, "")
			_ = d.Initial(func(*stream.Writer) error { return io.ErrNoProgress })
			if err := d.Close(); !errors.Is(err, io.ErrNoProgress) {
				t.Errorf("%s: Close: %v", accept, err)
			}
		}))
		get(t, s, accept).Body.Close()
		if err := <-errs; !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", accept, err)
		}
		s.Client().CloseIdleConnections()
		s.Close()
	}
}

// unflushed is a ResponseWriter with deadlines, which it counts, and without Flush.
type unflushed struct {
	to  http.ResponseWriter
	set int
}

func (u *unflushed) Header() http.Header              { return u.to.Header() }
func (u *unflushed) WriteHeader(status int)           { u.to.WriteHeader(status) }
func (u *unflushed) Write(b []byte) (int, error)      { return u.to.Write(b) }
func (u *unflushed) SetWriteDeadline(time.Time) error { u.set++; return nil }

// Without Flush, parts would wait in buffers until the end. The response that is given instead has the
// deadline of http.Server's WriteTimeout.
func TestWithoutFlush(t *testing.T) {
	to, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Accept", "multipart/mixed")
	u := &unflushed{to: to}
	if _, err := New(u, r, Options{}); !errors.Is(err, ErrNotAccepted) || to.Body.Len() > 0 || u.set > 0 {
		t.Errorf("got %v, %q, %d deadlines", err, to.Body, u.set)
	}
}
