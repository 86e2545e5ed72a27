package incremental

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/stream"
)

// send sends a request over a connection of its own, and returns the header and what
// follows it, unread.
func send(t *testing.T, s *httptest.Server, request string) (status string, header textproto.MIMEHeader, body *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	text := textproto.NewReader(r)
	if status, err = text.ReadLine(); err != nil {
		t.Fatal(err)
	}
	if header, err = text.ReadMIMEHeader(); err != nil {
		t.Fatal(err)
	}
	return status, header, r
}

// chunks reads the chunks of an HTTP/1.1 body.
func chunks(t *testing.T, r *bufio.Reader) (list []string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, n+2)
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return list
		}
		list = append(list, string(b[:n]))
	}
}

// Each payload is one chunk with its frame, whatever its size: clients read payloads as they
// come off the network. The first has what begins the response, the last what ends it.
func TestOneChunkForEachPayload(t *testing.T) {
	for _, size := range []int{1, 2000, 4096, 5000, 300_000} {
		text := strings.Repeat("x", size)
		run := func(d *Delivery) error {
			p, l := d.Defer(Path{"a"}, ""), d.Stream(Path{"l"}, "", 0)
			if err := d.Initial(func(w *stream.Writer) error {
				w.Name("data")
				w.Raw([]byte(`{"a":{},"t":"` + text + `","l":[]}`))
				return nil
			}); err != nil {
				return err
			}
			if err := p.Complete(raw(`{"t":"` + text + `"}`)); err != nil {
				return err
			}
			if err := l.Items(1, func(w *stream.Writer) error { w.String(text); return nil }); err != nil {
				return err
			}
			return l.End()
		}
		for _, accept := range []string{"multipart/mixed", "multipart/mixed;deferSpec=20220824", "text/event-stream", "application/jsonl"} {
			s, errs := serve(t, Options{}, run)
			_, header, body := send(t, s, "POST / HTTP/1.1\r\nHost: x\r\nAccept: "+accept+"\r\nContent-Length: 0\r\n\r\n")
			f := negotiateText(accept)
			list := chunks(t, body)
			if err := <-errs; err != nil {
				t.Error(err)
			}
			if header.Get("Content-Type") != f.contentType {
				t.Errorf("%s: got %s", accept, header.Get("Content-Type"))
			}
			if len(list) != 4 {
				t.Fatalf("%s, %d bytes: %d chunks", accept, size, len(list))
			}
			for i, chunk := range list {
				before, after := f.before+"{", "}"+f.next
				if i == 0 {
					before = f.start + before
				}
				if i == len(list)-1 {
					after = "}" + f.last
				}
				if !strings.HasPrefix(chunk, before) || !strings.HasSuffix(chunk, after) {
					t.Errorf("%s: chunk %d is %.200q ... %q", accept, i, chunk, chunk[max(0, len(chunk)-100):])
				}
			}
		}
	}
}

func negotiateText(accept ...string) framing {
	return negotiate(&http.Request{Header: http.Header{"Accept": accept}})
}

// An initial result that is larger than what may be held, or than the host wants to be held,
// goes out while it is made.
func TestLargeInitialResult(t *testing.T) {
	for _, o := range []Options{{MaxQueued: 10_000}, {Writer: stream.Options{MinChunk: 5000, MaxChunk: 5000}}} {
		arrived := make(chan struct{})
		s, errs := serve(t, o, func(d *Delivery) error {
			return d.Initial(func(w *stream.Writer) error {
				w.Name("data")
				w.BeginArray()
				for i := range 20_000 {
					if i == 10_000 {
						<-arrived // The client has the first bytes before the last are made.
					}
					w.Int(int64(i))
				}
				w.EndArray()
				return w.Err()
			})
		})
		response := get(t, s, "application/x-ndjson")
		first := make([]byte, 10)
		if _, err := io.ReadFull(response.Body, first); err != nil {
			t.Fatal(err)
		}
		close(arrived)
		rest, err := io.ReadAll(response.Body)
		if err != nil || !bytes.HasSuffix(rest, []byte(`,19999],"hasNext":false}`+"\n")) {
			t.Errorf("%v: got %q", err, rest[max(0, len(rest)-100):])
		}
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// HTTP/1.0 has no chunks: the end of the connection ends the response.
func TestHTTP10(t *testing.T) {
	s, errs := serve(t, Options{}, blog)
	status, header, body := send(t, s, "POST / HTTP/1.0\r\nHost: x\r\nAccept: multipart/mixed\r\nContent-Length: 0\r\n\r\n")
	if !strings.HasSuffix(status, " 200 OK") || header.Get("Transfer-Encoding") != "" {
		t.Errorf("got %s %v", status, header)
	}
	m := merger{t: t}
	response := &http.Response{Header: http.Header(header), Body: io.NopCloser(body)}
	if err := payloads(t, response, m.add); err != nil {
		t.Error(err)
	}
	if err := <-errs; err != nil {
		t.Error(err)
	}
	if !m.last {
		t.Error("the last payload is missing")
	}
}

func TestHTTP2(t *testing.T) {
	for accept, fails := range map[string]bool{"multipart/mixed": false, "text/event-stream": true} {
		errs := make(chan error, 1)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			d, err := New(rw, r, Options{})
			if err != nil {
				errs <- err
				return
			}
			if fails {
				d.Defer(nil, "")
				_ = d.Initial(member("data", "{}"))
				d.mu.Lock()
				d.fail(io.ErrClosedPipe)
				d.mu.Unlock()
			} else {
				_ = blog(d)
			}
			errs <- d.Close()
		}))
		s.EnableHTTP2 = true
		s.StartTLS()
		response := get(t, s, accept)
		if response.ProtoMajor != 2 || response.Header.Get("Transfer-Encoding") != "" {
			t.Errorf("got %s %v", response.Proto, response.Header)
		}
		m := merger{t: t}
		err := payloads(t, response, m.add)
		if closed := <-errs; (err != nil) != fails || (closed != nil) != fails || m.last == fails {
			t.Errorf("%s: read: %v, Close: %v", accept, err, closed)
		}
		response.Body.Close()
		s.Client().CloseIdleConnections()
		s.Close()
	}
}

// A part that is not ready is not the client's fault: HTTP/2 would reset a stream whose
// deadline has passed.
func TestPartsThatTakeLong(t *testing.T) {
	const timeout = 2 * time.Second // for the client, on a busy machine
	errs := make(chan error, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		d, err := New(rw, r, Options{WriteTimeout: timeout})
		if err != nil {
			errs <- err
			return
		}
		part := d.Defer(Path{}, "")
		time.Sleep(timeout + timeout/10)
		_ = d.Initial(member("data", "{}"))
		time.Sleep(timeout + timeout/10)
		_ = part.Complete(func(w *stream.Writer) error { w.BeginObject(); w.EndObject(); return nil })
		errs <- d.Close()
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	response := get(t, s, "multipart/mixed")
	defer response.Body.Close()
	m := merger{t: t}
	if err := payloads(t, response, m.add); err != nil || !m.last {
		t.Errorf("read: %v, last %v", err, m.last)
	}
	if err := <-errs; err != nil {
		t.Error(err)
	}
	s.Client().CloseIdleConnections()
}

// member is a body of one member.
func member(name, text string) func(*stream.Writer) error {
	return func(w *stream.Writer) error { w.Name(name); w.Raw([]byte(text)); return nil }
}

// A proxy that passes on what is flushed lets the client see a payload before the next one
// is made.
func TestThroughAProxy(t *testing.T) {
	for _, accept := range []string{"multipart/mixed", "text/event-stream", "application/x-ndjson"} {
		seen := make(chan struct{})
		s, errs := serve(t, Options{}, func(d *Delivery) error {
			p := d.Defer(nil, "")
			err := d.Initial(member("data", "{}"))
			select {
			case <-seen:
			case <-d.ctx.Done():
			}
			return errors.Join(err, p.Complete(raw("{}")))
		})
		target, _ := url.Parse(s.URL)
		proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
		response := get(t, proxy, accept)
		whole := negotiateText(accept)
		var text []byte
		for one := make([]byte, 1); !strings.HasSuffix(string(text), `"hasNext":true}`+whole.next); text = append(text, one[0]) {
			if _, err := io.ReadFull(response.Body, one); err != nil {
				t.Fatalf("%s: %v after %q", accept, err, text)
			}
		}
		close(seen)
		rest, err := io.ReadAll(response.Body)
		if err := errors.Join(err, <-errs); err != nil || !strings.HasSuffix(string(rest), `"hasNext":false}`+whole.last) {
			t.Errorf("%s: %v after %q", accept, err, rest)
		}
		response.Body.Close()
		proxy.Client().CloseIdleConnections()
		proxy.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // The proxy's.
	}
}

// A response to HEAD has no body, and is none the worse for it.
func TestHEAD(t *testing.T) {
	for _, accept := range []string{"multipart/mixed", "text/event-stream", "application/jsonl"} {
		s, errs := serve(t, Options{}, blog)
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodHead, s.URL, nil)
		r.Header.Set("Accept", accept)
		response, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if err := <-errs; err != nil || len(b) != 0 || response.Header.Get("Content-Type") != negotiateText(accept).contentType {
			t.Errorf("%s: %v, %d bytes, %v", accept, err, len(b), response.Header)
		}
	}
}

// Each line is JSON by itself, with heartbeats as well.
func TestLinesAreJSON(t *testing.T) {
	s, errs := serve(t, Options{Heartbeat: 1}, func(d *Delivery) error {
		p := d.Stream(Path{"l"}, "", 0)
		if err := d.Initial(member("data", "{\r\n\"l\":\n[]}")); err != nil {
			return err
		}
		for i := range 50 {
			if err := p.Items(1, func(w *stream.Writer) error { w.String(fmt.Sprint("\r\n", i)); return nil }); err != nil {
				return err
			}
		}
		return p.End()
	})
	response := get(t, s, "application/jsonl")
	if got := response.Header.Get("Content-Type"); got != "application/jsonl; charset=utf-8" {
		t.Errorf("got %s", got)
	}
	m := merger{t: t}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			t.Errorf("an empty line: %q", lines.Text())
		}
		m.add(decoded(t, lines.Bytes()))
	}
	if err := <-errs; err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(m.result); !m.last || strings.Count(got, "\r\n") != 50 {
		t.Errorf("got %s", got)
	}
}
