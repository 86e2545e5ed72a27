package stream

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/bytebufferpool"
)

// serve starts a server whose handler responds with body.
func serve(t *testing.T, http2 bool, wrap func(http.Handler) http.Handler, o Options, body func(*Writer) error) (*httptest.Server, <-chan error) {
	t.Helper()
	errs := make(chan error, 1)
	handler := http.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		err := errors.New("body panicked")
		defer func() { errs <- err }() // When all is given back.
		err = RespondWith(rw, r, o, body)
	}))
	if wrap != nil {
		handler = wrap(handler)
	}
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = http2
	if http2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, errs
}

func list(n int, after func(*Writer) error) func(*Writer) error {
	return func(w *Writer) error {
		w.BeginObject()
		w.Name("data")
		w.BeginArray()
		for i := range n {
			w.Int(int64(i))
		}
		return after(w)
	}
}

func closed(w *Writer) error { w.EndArray(); return nil }

// balance counts the buffers that are out.
type balance struct{ out atomic.Int64 }

func (b *balance) Get(n int) *bytebufferpool.ByteBuffer {
	b.out.Add(1)
	return &bytebufferpool.ByteBuffer{B: make([]byte, 0, n)}
}

func (b *balance) Put(*bytebufferpool.ByteBuffer) { b.out.Add(-1) }

type result struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

func get(t *testing.T, s *httptest.Server, accept string) result {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return result{response.StatusCode, response.Header, string(body), err}
}

const many = 50_000 // more than a chunk

func TestRespond(t *testing.T) {
	internal := errors.New("the database is down")
	forbidden := &Error{Message: "not for you", Status: http.StatusForbidden, Extensions: map[string]any{"code": "FORBIDDEN"}}
	for name, c := range map[string]struct {
		body    func(*Writer) error
		status  int
		ends    string // of the response's body
		err     error
		aborted bool
	}{
		"small":                    {list(3, closed), 200, `{"data":[0,1,2]}`, nil, false},
		"small, closed by body":    {list(1, func(w *Writer) error { w.EndArray(); w.EndObject(); return nil }), 200, `{"data":[0]}`, nil, false},
		"large":                    {list(many, closed), 200, `,49999]}`, nil, false},
		"fails at once":            {func(*Writer) error { return internal }, 500, `{"errors":[{"message":"Internal server error"}]}`, internal, false},
		"fails with a status":      {func(*Writer) error { return fmt.Errorf("%w", forbidden) }, 403, `{"errors":[{"message":"not for you","extensions":{"code":"FORBIDDEN"}}]}`, forbidden, false},
		"fails in the first chunk": {list(3, func(*Writer) error { return internal }), 500, `{"errors":[{"message":"Internal server error"}]}`, internal, false},
		"fails after its data":     {list(3, func(w *Writer) error { w.EndArray(); return forbidden }), 200, `{"data":[0,1,2],"errors":[{"message":"not for you","extensions":{"code":"FORBIDDEN"}}]}`, forbidden, false},
		"fails after large data":   {list(many, func(w *Writer) error { w.EndArray(); return forbidden }), 200, `,49999],"errors":[{"message":"not for you","extensions":{"code":"FORBIDDEN"}}]}`, forbidden, false},
		"fails within large data":  {list(many, func(*Writer) error { return internal }), 200, "", internal, true},
		"misuse, small":            {func(w *Writer) error { w.EndArray(); return nil }, 500, `{"errors":[{"message":"Internal server error"}]}`, ErrMisuse, false},
		"misuse, large":            {list(many, func(*Writer) error { return nil }), 200, "", ErrMisuse, true},
		"a null within": {list(1, func(w *Writer) error {
			w.Nullable(Path{1}, func(w *Writer) error { w.BeginObject(); return internal })
			return closed(w)
		}), 200, `{"data":[0,null],"errors":[{"message":"Internal server error","path":[1]}]}`, nil, false},
		"errors lost": {list(1, func(w *Writer) error {
			w.Nullable(nil, func(*Writer) error { return internal })
			w.EndArray()
			w.EndObject()
			return nil
		}), 500, `{"errors":[{"message":"Internal server error"}]}`, ErrMisuse, false},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/http2=%v", name, http2), func(t *testing.T) {
				buffers := new(balance)
				defer func() {
					if n := buffers.out.Load(); n != 0 {
						t.Errorf("%d buffers were not given back", n)
					}
				}()
				s, errs := serve(t, http2, nil, Options{Buffers: buffers}, c.body)
				got := get(t, s, "application/json")
				if err := <-errs; !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
					t.Errorf("Respond returned %v, want %v", err, c.err)
				}
				if got.status != c.status || !strings.HasSuffix(got.body, c.ends) {
					t.Errorf("got %d %.300s, want %d %s", got.status, got.body, c.status, c.ends)
				}
				if (got.err != nil) != c.aborted || json.Valid([]byte(got.body)) == c.aborted {
					t.Errorf("the client got %d bytes and error %v", len(got.body), got.err)
				}
				if got.header.Get("Content-Type") != "application/json; charset=utf-8" {
					t.Errorf("got %v", got.header)
				}
				if whole := got.header.Get("Content-Length") != ""; whole != (len(got.body) < defaultMinChunk) {
					t.Errorf("%d bytes, Content-Length %q", len(got.body), got.header.Get("Content-Length"))
				}
				// The connection serves the next request, or a new one does.
				if again := get(t, s, ""); again.status != c.status {
					t.Errorf("the second request got %d", again.status)
				}
				<-errs
			})
		}
	}
}

func TestRespondNegotiates(t *testing.T) {
	for accept, want := range map[string]string{
		"": "application/json; charset=utf-8", "*/*": "application/json; charset=utf-8",
		"application/graphql-response+json":                       "application/graphql-response+json; charset=utf-8",
		"text/html, application/graphql-response+json, */*;q=0.9": "application/graphql-response+json; charset=utf-8",
		"text/html, application/graphql-response+json;q=0.9, */*": "application/json; charset=utf-8",
		"text/html": "application/json; charset=utf-8",
		"application/graphql-response+json;q=0, application/json": "application/json; charset=utf-8",
	} {
		if got := responseType([]string{accept}); got != want {
			t.Errorf("%q: got %s", accept, got)
		}
	}
}

// Without deadlines a response cannot be aborted, so nothing is sent before it is
// certain.
func TestRespondWithoutDeadlines(t *testing.T) {
	for _, c := range []struct {
		after func(*Writer) error
		want  int
	}{{closed, 200}, {func(*Writer) error { return errors.New("late") }, 500}} {
		recorder := httptest.NewRecorder()
		_ = Respond(recorder, httptest.NewRequest(http.MethodGet, "/", nil), list(many, c.after))
		if recorder.Code != c.want || !json.Valid(recorder.Body.Bytes()) {
			t.Errorf("got %d, %d bytes", recorder.Code, recorder.Body.Len())
		}
	}
}

func TestPanicInBody(t *testing.T) {
	s, _ := serve(t, false, nil, Options{}, list(many, func(*Writer) error { panic(http.ErrAbortHandler) }))
	if got := get(t, s, ""); got.err == nil {
		t.Error("the client takes the response for complete")
	}
}

// A slow client holds the producer back; one that takes too long is given up.
func TestSlowClient(t *testing.T) {
	produced := make(chan int, 1)
	stats := make(chan Stats, 1)
	s, errs := serve(t, false, nil, Options{WriteTimeout: 300 * time.Millisecond}, func(w *Writer) error {
		defer func() { stats <- w.Stats() }()
		w.BeginArray()
		for i := 0; w.Err() == nil; i++ {
			w.String("some text that nobody reads")
			if i == 5_000_000 {
				produced <- i
				return errors.New("the producer was not held back")
			}
		}
		return w.Err()
	})
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case err := <-errs:
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("got %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the slow client was not given up")
	}
	if got := <-stats; got.Blocked < 250*time.Millisecond {
		t.Errorf("got %+v", got)
	}
}

// A client that reads slowly gets everything, and memory stays small.
func TestBackpressure(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	const size = 8 << 20
	var peak uint64
	text := strings.Repeat("x", 1000)
	s, errs := serve(t, false, nil, Options{}, func(w *Writer) error {
		w.BeginArray()
		for i := range size / 1000 {
			w.String(text)
			if i%100 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
		}
		w.EndArray()
		return nil
	})
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	response, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	reader, total := bufio.NewReader(response.Body), 0
	piece := make([]byte, 256<<10)
	for {
		n, err := io.ReadFull(reader, piece)
		total += n
		if err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Fatal(err)
			}
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	if total < size {
		t.Errorf("got %d bytes of %d", total, size)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 3<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
}

func TestClientThatGoesAway(t *testing.T) {
	s, errs := serve(t, false, nil, Options{}, func(w *Writer) error {
		w.BeginArray()
		for w.Err() == nil {
			w.String(strings.Repeat("x", 1000))
		}
		return w.Err()
	})
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	cancel()
	select {
	case err := <-errs:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the handler goes on")
	}
}

func ExampleRespond() {
	handler := func(rw http.ResponseWriter, r *http.Request) {
		err := Respond(rw, r, func(w *Writer) error {
			w.BeginObject()
			w.Name("data")
			w.BeginObject()
			w.Name("hello")
			w.String("world")
			w.EndObject()
			return nil // Respond closes the outermost object.
		})
		if err != nil {
			fmt.Println(err) // The client has been told.
		}
	}
	recorder := httptest.NewRecorder()
	handler(recorder, httptest.NewRequest(http.MethodPost, "/graphql", nil))
	fmt.Println(recorder.Code, recorder.Body)
	// Output: 200 {"data":{"hello":"world"}}
}

// An error of a body that has closed the object has no place in the document, which must not look
// complete then.
func TestErrorAfterTheObject(t *testing.T) {
	failure := errors.New("commit failed")
	for _, n := range []int{3, many} {
		for _, http2 := range []bool{false, true} {
			s, errs := serve(t, http2, nil, Options{}, list(n, func(w *Writer) error {
				w.EndArray()
				w.EndObject()
				return failure
			}))
			got := get(t, s, "application/json")
			if err := <-errs; !errors.Is(err, failure) || got.err == nil && got.status == http.StatusOK {
				t.Errorf("%d items, http2=%v: %v; the client has %d, %d bytes, %v",
					n, http2, err, got.status, len(got.body), got.err)
			}
		}
	}
}

// What was held of a response is not part of an error response, whatever its status is.
func TestErrorOfAHeldResponse(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusForbidden} {
		recorder := httptest.NewRecorder() // It has no deadlines.
		_ = Respond(recorder, httptest.NewRequest(http.MethodPost, "/", nil), list(many, func(*Writer) error {
			return &Error{Message: "no", Status: status}
		}))
		if got := recorder.Body.String(); got != `{"errors":[{"message":"no"}]}` || recorder.Code != status {
			t.Errorf("got %d, %d bytes: %.40s...", recorder.Code, len(got), got)
		}
	}
}

// recovering is what the middleware of most frameworks does: the handler returns, and net/http
// ends the response well.
func recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() { _ = recover() }()
		next.ServeHTTP(rw, r)
	})
}

// breaking is a ResponseWriter that panics in the write of a number.
type breaking struct {
	http.ResponseWriter
	writes int
}

func (b *breaking) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (b *breaking) Write(p []byte) (int, error) {
	if b.writes--; b.writes == 0 {
		panic("boom")
	}
	return b.ResponseWriter.Write(p)
}

// A panic while a response is ended aborts it: an error's extensions, or the ResponseWriter.
func TestPanicInEnd(t *testing.T) {
	panicking := func(w *Writer) error {
		w.EndArray()
		return &Error{Message: "m", Extensions: map[string]any{"p": panics{}}}
	}
	breaks := func(writes int) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return recovering(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(&breaking{rw, writes}, r)
			}))
		}
	}
	for name, c := range map[string]struct {
		wrap func(http.Handler) http.Handler
		n    int
		then func(*Writer) error
	}{
		"errors, small":  {recovering, 3, panicking},
		"errors, chunks": {recovering, many, panicking},
		"kept errors": {recovering, many, func(w *Writer) error {
			w.Nullable(nil, func(*Writer) error { return &Error{Extensions: map[string]any{"p": panics{}}} })
			return closed(w)
		}},
		"writer, whole":  {breaks(1), 3, closed},
		"writer, chunks": {breaks(2), 15_000, closed}, // The second chunk is that of the end.
	} {
		for _, http2 := range []bool{false, true} {
			s, errs := serve(t, http2, c.wrap, Options{MinChunk: 64 << 10}, list(c.n, c.then))
			r, err := s.Client().Get(s.URL)
			var body []byte
			if err == nil {
				body, err = io.ReadAll(r.Body)
				r.Body.Close()
			}
			<-errs
			if err == nil && !json.Valid(body) {
				t.Errorf("%s, http2=%v: %d bytes that are no JSON look complete", name, http2, len(body))
			}
		}
	}
}

// A whole response has left when the handler goes on. That no deadline is left then is a test of
// the client's.
func TestSlowAfterwards(t *testing.T) {
	const want = `{"data":[0]}`
	for _, http2 := range []bool{false, true} {
		read := make(chan struct{})
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if err := Respond(rw, r, list(1, closed)); err != nil {
				t.Error(err)
			}
			<-read // the log, the metrics
		}))
		s.EnableHTTP2 = http2
		if http2 {
			s.StartTLS()
		} else {
			s.Start()
		}
		s.Client().Timeout = time.Minute
		got := make([]byte, len(want))
		response, err := s.Client().Get(s.URL)
		if err == nil {
			_, err = io.ReadFull(response.Body, got)
		}
		close(read)
		if err != nil || string(got) != want {
			t.Errorf("http2=%v: got %q, %v", http2, got, err)
		}
		if response != nil {
			response.Body.Close()
		}
		s.Close()
	}
}

// A response to HEAD is complete without its body.
func TestHEAD(t *testing.T) {
	for _, n := range []int{3, 1000, many} {
		for _, http2 := range []bool{false, true} {
			s, errs := serve(t, http2, nil, Options{}, list(n, closed))
			r, err := s.Client().Head(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
			if err := <-errs; err != nil || r.StatusCode != http.StatusOK {
				t.Errorf("%d items, http2=%v: %v, %s", n, http2, err, r.Status)
			}
		}
	}
}

// An error whose extensions cannot be written is the response's all the same: its message, its
// status, and for the log itself.
func TestErrorThatCannotBeWritten(t *testing.T) {
	cause := errors.New("the cause")
	for name, bad := range map[string]any{"panic": panics{}, "no JSON": func() {}} {
		recorder := httptest.NewRecorder()
		err := Respond(recorder, httptest.NewRequest(http.MethodPost, "/", nil), list(3, func(w *Writer) error {
			w.EndArray()
			return &Error{
				Message: "not for you", Status: http.StatusForbidden, Extensions: map[string]any{"x": bad}, Err: cause,
			}
		}))
		const want = `{"errors":[{"message":"not for you"}]}`
		if got := recorder.Body.String(); got != want || recorder.Code != http.StatusForbidden || !errors.Is(err, cause) {
			t.Errorf("%s: %d %s, %v", name, recorder.Code, got, err)
		}
	}
}

// quic is a ResponseWriter of HTTP/3: it has deadlines, and ends the stream well all the same.
type quic struct{ *httptest.ResponseRecorder }

func (quic) SetWriteDeadline(time.Time) error { return nil }

func TestHTTP3(t *testing.T) {
	for _, c := range []struct {
		after func(*Writer) error
		want  int
	}{{closed, 200}, {func(*Writer) error { return errors.New("late") }, 500}} {
		to, r := quic{httptest.NewRecorder()}, httptest.NewRequest(http.MethodPost, "/", nil)
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/3.0", 3, 0
		_ = Respond(to, r, list(many, c.after))
		if to.Code != c.want || !json.Valid(to.Body.Bytes()) {
			t.Errorf("got %d with %d bytes", to.Code, to.Body.Len())
		}
	}
}

// unflushed is a ResponseWriter with deadlines and without Flush.
type unflushed struct{ to http.ResponseWriter }

func (u unflushed) Header() http.Header         { return u.to.Header() }
func (u unflushed) WriteHeader(status int)      { u.to.WriteHeader(status) }
func (u unflushed) Write(b []byte) (int, error) { return u.to.Write(b) }
func (u unflushed) SetWriteDeadline(at time.Time) error {
	return http.NewResponseController(u.to).SetWriteDeadline(at)
}

func TestCanAbort(t *testing.T) {
	deadlines := quic{httptest.NewRecorder()}
	for name, c := range map[string]struct {
		rw           http.ResponseWriter
		major, minor int
		want         bool
	}{
		"HTTP/1.1":     {deadlines, 1, 1, true},
		"HTTP/2":       {deadlines, 2, 0, true},
		"HTTP/1.0":     {deadlines, 1, 0, false},
		"HTTP/3":       {deadlines, 3, 0, false},
		"no deadlines": {deadlines.ResponseRecorder, 1, 1, false},
		"no Flush":     {unflushed{deadlines}, 1, 1, false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.ProtoMajor, r.ProtoMinor = c.major, c.minor
		if got := CanAbort(c.rw, r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Without Flush there are no chunks, and the response is sent whole.
func TestRespondWithoutFlush(t *testing.T) {
	for _, n := range []int{3, many} {
		s, errs := serve(t, false, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { next.ServeHTTP(unflushed{rw}, r) })
		}, Options{}, list(n, closed))
		got := get(t, s, "*/*")
		if err := <-errs; err != nil || got.err != nil || !json.Valid([]byte(got.body)) {
			t.Errorf("%d items: %v, %v, %d bytes", n, err, got.err, len(got.body))
		}
	}
}
