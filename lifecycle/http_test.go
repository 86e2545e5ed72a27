package lifecycle

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
)

func TestProbes(t *testing.T) {
	l := make1(t, Options{DrainDelay: NoWait})
	probe := func(path string) int {
		w := httptest.NewRecorder()
		l.Probes().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusNotFound && strings.TrimSpace(w.Body.String()) != l.State().String() {
			t.Errorf("%s says %q while %v", path, w.Body, l.State())
		}
		return w.Code
	}
	expect := func(live, ready, startup int) {
		t.Helper()
		if a, b, c := probe("/livez"), probe("/healthz/readyz"), probe("/startupz"); a != live || b != ready || c != startup {
			t.Errorf("%v: %d %d %d", l.State(), a, b, c)
		}
	}
	if err := l.Add(Component{
		Start: func(context.Context) error { expect(200, 503, 503); return nil },
		Warm:  func(context.Context) error { expect(200, 503, 503); return nil },
		Drain: func(context.Context) error { expect(200, 503, 200); return nil },
		Close: func(context.Context) error { expect(200, 503, 200); return nil },
	}); err != nil {
		t.Fatal(err)
	}
	_ = l.Start(t.Context())
	expect(200, 200, 200)
	_ = l.Shutdown(t.Context())
	expect(503, 503, 503)
	if probe("/") != 404 {
		t.Error("an unknown path was answered")
	}
}

// server runs one behind a lifecycle until the test ends.
type server struct {
	*Lifecycle
	url  string
	stop context.CancelFunc
	done chan error
}

// serve runs an instance with a server until it is ready, and returns the server's address, and where Run's error
// will be.
func serve(ctx context.Context, t *testing.T, l *Lifecycle, h http.Handler) (address string, done chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	go func() { done <- l.Run(ctx, &http.Server{Handler: h}, listener) }()
	wait.Until(t, "the server is ready", func() bool { return l.State() == Ready })
	return listener.Addr().String(), done
}

func run(t *testing.T, o Options, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{Lifecycle: make1(t, o)}
	mux := http.NewServeMux()
	mux.Handle("/", s.Handler(h))
	mux.Handle("/readyz", s.Probes())
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	address, done := serve(ctx, t, s.Lifecycle, mux)
	s.url, s.done = "http://"+address, done
	t.Cleanup(func() { stop(); <-s.Done() })
	return s
}

func get(t *testing.T, c *http.Client, url, accept string) *http.Response {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	r.Header.Set("Accept", accept)
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// A subscription gets its last event, a slow request its answer, and clients are asked to
// leave.
func TestDrainOverHTTP(t *testing.T) {
	release := make(chan struct{})
	s := run(t, Options{DrainDelay: 2 * time.Second, StreamGrace: NoWait, DrainTimeout: time.Minute},
		func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") == "text/event-stream" {
				io.WriteString(w, "event: next\n\n")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				io.WriteString(w, "event: complete\n\n")
				return
			}
			if r.URL.Path == "/slow" {
				io.WriteString(w, "first ")
				_ = http.NewResponseController(w).Flush()
				<-release
			}
			io.WriteString(w, "answer")
		})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	if r := get(t, client, s.url, ""); r.Header.Get("Connection") == "close" || r.StatusCode != 200 {
		t.Error(r.Status, r.Header)
	}
	events, slow := get(t, client, s.url, "text/event-stream"), get(t, client, s.url+"/slow", "")
	if first, err := bufio.NewReader(events.Body).ReadString('\n'); first != "event: next\n" {
		t.Error(first, err)
	}
	s.stop()
	<-s.Draining()
	if r := get(t, client, s.url, ""); r.StatusCode == 200 && !r.Close {
		t.Error("a draining instance did not ask to close the connection")
	}
	rest, err := io.ReadAll(events.Body)
	if err != nil || !strings.HasSuffix(string(rest), "event: complete\n\n") {
		t.Errorf("the stream ended with %q, %v", rest, err)
	}
	wait.Until(t, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(release)
	if answer, err := io.ReadAll(slow.Body); string(answer) != "first answer" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
	if err := <-s.done; err != nil {
		t.Error(err)
	}
}

// Load on kept connections through a whole life has no failed request before it is shed.
func TestNoRequestFails(t *testing.T) {
	s := run(t, Options{DrainDelay: 2 * time.Second}, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(2 * time.Millisecond)
		io.WriteString(w, "answer")
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			// As a balancer does, each asks for readiness first.
			for ready := true; ready; {
				probe, err := client.Get(s.url + "/readyz")
				if err != nil {
					t.Error(err)
					return
				}
				probe.Body.Close()
				ready = probe.StatusCode == 200
				r, err := client.Get(s.url)
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(r.Body)
				r.Body.Close()
				if err != nil || string(text) != "answer" {
					t.Error(r.Status, err)
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	s.stop()
	all.Wait()
	if err := <-s.done; err != nil {
		t.Error(err)
	}
}

func TestShed(t *testing.T) {
	l := make1(t, Options{RetryAfter: 1500 * time.Millisecond})
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != 503 || w.Header().Get("Retry-After") != "2" || w.Header().Get("Connection") != "close" {
		t.Error(w.Code, w.Header())
	}
}

// A handler's panic is net/http's, and its request has ended.
func TestHandlerThatPanics(t *testing.T) {
	l := make1(t, Options{DrainDelay: NoWait, IsStream: func(*http.Request) bool { panic("no idea") }})
	_ = l.Start(t.Context())
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	func() {
		defer func() {
			if v := recover(); v != any(http.ErrAbortHandler) {
				t.Error(v)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil))
	}()
	if err := l.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStreams(t *testing.T) {
	for _, c := range []struct {
		header, value string
		stream        bool
	}{
		{"Upgrade", "websocket", true}, {"Upgrade", "foo, WebSocket", true},
		{"Upgrade", "h2c", false},     // Java's HttpClient, curl --http2: with every request
		{"Upgrade", "TLS/1.2", false}, // Apache's HttpClient
		{"Accept", "Text/Event-Stream", true},
		{"Accept", "text/event-stream, multipart/mixed", true}, // a subscription of urql's
		{"Accept", "text/event-stream, */*", true},
		{"Accept", "application/json;q=0.5, text/event-stream", true},
		{"Accept", "application/graphql-response+json, application/graphql+json, application/json, " +
			"text/event-stream, multipart/mixed", false}, // every other request of urql's
		{"Accept", "application/json, Text/Event-Stream;q=0.5", false},
		{"Accept", "text/event-stream;q=0", false},
		{"Accept", "multipart/mixed;incrementalSpec=v0.2", false}, {"Accept", "*/*", false},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set(c.header, c.value)
		if isStream(r) != c.stream {
			t.Error(c)
		}
	}
}

// A WebSocket that ignores its context is cut off: the server itself does not know its connection.
func TestHijackedIsCut(t *testing.T) {
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	for name, is := range map[string]func(*http.Request) bool{
		"a stream": nil, "a request": func(*http.Request) bool { return false },
	} {
		ended := make(chan error, 1)
		s := run(t, Options{DrainDelay: NoWait, DrainTimeout: NoWait, CutGrace: 50 * time.Millisecond, IsStream: is},
			func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					ended <- nil
					return
				}
				defer conn.Close()
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+upgrade)
				_, err = conn.Read(make([]byte, 1))
				ended <- err
			})
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n"+upgrade)
		_, _ = c.Read(make([]byte, 12)) // It runs.
		s.stop()
		if err := <-s.done; !errors.Is(err, ErrCut) {
			t.Errorf("%s: %v", name, err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: the handler got %v", name, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: the instance is closed, and the WebSocket is open", name)
		}
	}
}

// send opens a connection until the end of the test, and sends a text.
func send(t *testing.T, address, text string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// A request outside of Handler is cut as the others are, and Shutdown reports that.
func TestUnknownRequestIsCut(t *testing.T) {
	l := make1(t, Options{DrainDelay: NoWait, DrainTimeout: NoWait, CutGrace: 50 * time.Millisecond})
	runs, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	mux := http.NewServeMux()
	mux.HandleFunc("/upload", func(http.ResponseWriter, *http.Request) { close(runs); <-release })
	address, done := serve(t.Context(), t, l, mux)
	send(t, address, "GET /upload HTTP/1.1\r\nHost: x\r\n\r\n")
	<-runs
	if err := l.Shutdown(t.Context()); !errors.Is(err, ErrCut) {
		t.Errorf("got %v, and the request had not ended", err)
	}
	if err := <-done; !errors.Is(err, ErrCut) {
		t.Errorf("Run: %v", err)
	}
	if n := l.work.cut.Load(); n != 1 {
		t.Errorf("%d requests were told to end", n)
	}
}

// An idle connection of x/net/http2/h2c does not count as a request. A request on it in Handler counts once.
func TestConnectionsOfH2C(t *testing.T) {
	l := make1(t, Options{DrainDelay: NoWait, DrainTimeout: NoWait, CutGrace: 50 * time.Millisecond})
	counts, release := make(chan int, 2), make(chan struct{})
	defer close(release)
	next := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { counts <- l.work.unknown() }))
	address, done := serve(t.Context(), t, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		l.work.bare.Add(1) // another request, outside of Handler
		next.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(r.Context()))
		l.work.bare.Add(-1)
		counts <- l.work.unknown()
		<-release
	}))
	send(t, address, "PRI * HTTP/2.0\r\n\r\n")
	if during, after := <-counts, <-counts; during != 1 || after != 0 {
		t.Errorf("%d requests outside of Handler, then %d, want 1 and 0", during, after)
	}
	if err := l.Shutdown(t.Context()); err != nil {
		t.Errorf("nothing was cut: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// One server serves on two listeners; the race detector looks at its fields.
func TestTwoListeners(t *testing.T) {
	l := make1(t, Options{DrainDelay: NoWait})
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "answer")
	}))}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	served := make(chan error, 2)
	var urls []string
	for range cap(served) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, "http://"+listener.Addr().String())
		go func() { served <- l.Serve(s, listener) }()
	}
	for _, url := range urls {
		if text, err := io.ReadAll(get(t, client, url, "").Body); string(text) != "answer" {
			t.Errorf("%q, %v", text, err)
		}
	}
	if err := l.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for range urls {
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	if len(l.servers) != 1 {
		t.Errorf("%d servers", len(l.servers))
	}
}

// A server that cannot serve ends the instance, and the error says why.
func TestServerThatFails(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	r := &record{}
	l := make1(t, Options{DrainDelay: NoWait}, r.component("a"))
	if err := l.Run(t.Context(), &http.Server{}, listener); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if strings.Count(r.String(), "start:") != strings.Count(r.String(), "close:") {
		t.Error(r)
	}
	if err := l.Serve(&http.Server{}, listener); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
