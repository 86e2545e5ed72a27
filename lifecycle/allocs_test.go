package lifecycle

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A request of a server that Serve serves costs no memory, and its context ends with the others.
func TestRequestsCostNothing(t *testing.T) {
	l := make1(t, Options{DrainDelay: NoWait})
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	type own struct{}
	s := &http.Server{BaseContext: func(net.Listener) context.Context { return context.WithValue(t.Context(), own{}, 1) }}
	l.base(s)
	base := s.BaseContext(nil)
	var got context.Context
	h := l.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Context() }))
	r := httptest.NewRequestWithContext(base, http.MethodPost, "/", nil)
	w := httptest.NewRecorder()
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got != base || got.Value(own{}) == nil {
		t.Error("the request has another context")
	}
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)) // of another server
	if got == base {
		t.Error("a request of another server has the context of this one")
	}
	l.end(Request)
	if <-base.Done(); !errors.Is(context.Cause(base), ErrDraining) {
		t.Errorf("the context has ended because of %v", context.Cause(base))
	}
}
