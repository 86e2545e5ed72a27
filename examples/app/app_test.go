package app

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/stream"
	"github.com/gqlboost/gqlboost/stream/incremental"
)

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	env := map[string]string{"BLOG_POOL_CONNS": "7", "BLOG_ADDR": "127.0.0.1:1", "BLOG_SPANS": "true"}
	parse := func(args ...string) (Options, bool, error) {
		var o Options
		f := flag.NewFlagSet("blog", flag.ContinueOnError)
		f.SetOutput(io.Discard)
		o.AddFlags(f)
		spans := f.Bool("spans", false, "")
		err := Parse(f, args, func(name string) string { return env[name] })
		return o, *spans, err
	}
	o, spans, err := parse("-addr", "127.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	if o.PoolConns != 7 || o.Addr != "127.0.0.1:2" || !spans || o.Scale != 0.1 {
		t.Errorf("options = %+v, %v", o, spans)
	}
	env["BLOG_POOL_CONNS"] = "many"
	if _, _, err := parse(); err == nil {
		t.Error("BLOG_POOL_CONNS=many was accepted")
	}
}

// serveUntil serves a handler until stop is called, and returns where.
func serveUntil(t *testing.T, h http.Handler) (addr string, stop context.CancelFunc, done <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	life, err := newLife(&Options{}, func() { close(ready) })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, life, l, h) }()
	<-ready
	return l.Addr().String(), stop, ended
}

// A shutdown answers the requests that are under way.
func TestShutdownIsGraceful(t *testing.T) {
	var addr string
	var stop context.CancelFunc
	addr, stop, done := serveUntil(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stop()
		wait.Until(t, "new connections are refused", func() bool {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		w.WriteHeader(http.StatusTeapot)
	}))
	response, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusTeapot {
		t.Error("status", response.StatusCode)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the server still listens")
	}
}

// A response that is delivered in parts has all of them, and its end.
func TestShutdownEndsADelivery(t *testing.T) {
	for _, accept := range []string{"multipart/mixed;incrementalSpec=v0.2", "text/event-stream"} {
		began := make(chan struct{})
		var stop context.CancelFunc
		addr, stop, done := serveUntil(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d, err := incremental.New(w, r, incremental.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			part := d.Defer(incremental.Path{}, "later")
			err = d.Initial(func(w *stream.Writer) error {
				w.Name("data")
				w.BeginObject()
				w.EndObject()
				return w.Err()
			})
			close(began)
			time.Sleep(100 * time.Millisecond)
			part.Complete(func(w *stream.Writer) error {
				w.Name("last")
				w.String("part")
				return w.Err()
			})
			if err := errors.Join(err, d.Close()); err != nil {
				t.Error(err)
			}
		}))
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr, nil)
		r.Header.Set("Accept", accept)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		<-began
		stop()
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(text), `"hasNext":false`) {
			t.Errorf("%s: %s, %v", accept, text, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// The probes are there beside the server's own paths.
func TestProbes(t *testing.T) {
	addr, stop, done := serveUntil(t, http.NotFoundHandler())
	for path, want := range map[string]int{"/readyz": 200, "/livez": 200, "/startupz": 200, "/": 404} {
		response, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Error(path, response.Status)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
