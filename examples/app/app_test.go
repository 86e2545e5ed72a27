package app

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gqlboost/gqlboost/internal/wait"
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

// A shutdown answers the requests that are under way.
func TestShutdownIsGraceful(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			stop()
			wait.Until(t, "new connections are refused", func() bool {
				conn, err := net.Dial("tcp", l.Addr().String())
				if err == nil {
					conn.Close()
				}
				return err != nil
			})
			w.WriteHeader(http.StatusTeapot)
		}))
	}()
	response, err := http.Get("http://" + l.Addr().String())
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
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the server still listens")
	}
}
