package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/internal/accept"
)

// Handler returns a handler that passes requests on while the instance takes work, and answers
// the others with 503. While the instance drains, responses ask to close their connections. It
// passes panics on, as net/http expects.
func (l *Lifecycle) Handler(next http.Handler) http.Handler {
	if next == nil {
		panic("lifecycle: the handler is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := l.kindOf(r)
		served := r.Context().Value(servedKey{}) == l
		if kind == Request && served && r.Header.Get("Upgrade") == "" {
			// Its context ends with the server's: it needs none of its own, which would cost a dozen
			// allocations.
			if err := l.admit(kind); err != nil {
				l.refuse(w, err)
				return
			}
			defer l.leave(kind)
		} else {
			ctx, done, err := l.Begin(r.Context(), kind)
			if err != nil {
				l.refuse(w, err)
				return
			}
			defer done()
			if conn, ok := ctx.Value(connKey{}).(net.Conn); ok {
				defer context.AfterFunc(l.work.severed, func() { _ = conn.Close() })()
			}
			r = r.WithContext(ctx)
		}
		if served { // It is counted as what it is.
			l.work.bare.Add(-1)
			defer l.work.bare.Add(1)
		}
		if l.State() >= Draining {
			w.Header().Set("Connection", "close") // net/http makes it a GOAWAY in HTTP/2.
		}
		next.ServeHTTP(w, r)
	})
}

// servedKey is that of the Lifecycle whose Serve has made the context of a server.
type servedKey struct{}

// connKey is that of a request's connection, which the server no longer knows once it was hijacked.
type connKey struct{}

// base has the contexts of a server's requests end when requests are told to. They outlive Serve,
// which returns before the last requests have ended. It counts the requests outside of Handler, which are
// cut like the others.
func (l *Lifecycle) base(s *http.Server) {
	next := s.Handler
	if next == nil {
		next = http.DefaultServeMux
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PRI" { // A connection of x/net/http2/h2c. Its requests do not come here, only to Handler.
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), servedKey{}, nil)))
			return
		}
		l.work.bare.Add(1)
		defer l.work.bare.Add(-1)
		next.ServeHTTP(w, r)
	})
	made := s.BaseContext
	s.BaseContext = func(listener net.Listener) context.Context {
		of := context.Background()
		if made != nil {
			of = made(listener)
		}
		ctx, cancel := context.WithCancelCause(context.WithValue(of, servedKey{}, l))
		context.AfterFunc(l.work.ends[Request], func() { cancel(ErrDraining) })
		return ctx
	}
	changed := s.ConnContext
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if changed != nil {
			ctx = changed(ctx, c)
		}
		return context.WithValue(ctx, connKey{}, c)
	}
}

// refuse sheds a request.
func (l *Lifecycle) refuse(w http.ResponseWriter, err error) {
	h := w.Header()
	if l.options.RetryAfter > 0 {
		seconds := (l.options.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	h.Set("Connection", "close")
	h.Set("Cache-Control", "no-store")
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

// kindOf returns the kind of work that a request is: [Request] if IsStream panics.
func (l *Lifecycle) kindOf(r *http.Request) Kind {
	is := l.options.IsStream
	if is == nil {
		is = isStream
	}
	defer func() {
		if v := recover(); v != nil {
			l.report(fmt.Errorf("lifecycle: IsStream panicked: %v\n%s", v, debug.Stack()))
		}
	}()
	if is(r) {
		return Stream
	}
	return Request
}

const eventStream = "text/event-stream"

var offers = []accept.Offer{{Type: eventStream, Named: true}, {Type: accept.JSON}, {Type: accept.GraphQL}}

// isStream is the usual Options.IsStream. Clients ask for other upgrades with ordinary requests, such as h2c, and
// accept event streams besides JSON with all of them.
func isStream(r *http.Request) bool {
	for _, line := range r.Header.Values("Upgrade") {
		for protocol := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
				return true
			}
		}
	}
	for _, line := range r.Header.Values("Accept") {
		if strings.Contains(strings.ToLower(line), eventStream) {
			best, _ := accept.Of(r).Best(offers)
			return best >= 0 && offers[best].Type == eventStream
		}
	}
	return false
}

// Serve serves until the instance is shut down, which shuts the server down, too. It returns nil
// then, and otherwise the error of [http.Server.Serve]. The server's handler should be made by
// [Lifecycle.Handler]. Serve wraps the server's Handler, BaseContext and ConnContext, so set them before, and
// do not pass s.Handler to another server afterwards. The listener is closed in any case. It may be called for
// several servers, and for one server with several listeners.
func (l *Lifecycle) Serve(s *http.Server, listener net.Listener) error {
	l.mu.Lock()
	if l.shedding || l.state == Closed {
		l.mu.Unlock()
		return errors.Join(ErrClosed, listener.Close())
	}
	if !slices.Contains(l.servers, s) { // Otherwise it serves already, and reads what base writes.
		l.servers = append(l.servers, s)
		l.base(s)
	}
	l.mu.Unlock()
	err := s.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) && l.State() >= Draining {
		return nil
	}
	return fmt.Errorf("lifecycle: serving on %v: %w", listener.Addr(), err)
}

// Run serves and starts at the same time, so that probes are answered during the start, and
// shuts down when ctx ends, Shutdown is called or the server fails. It returns when the
// instance is closed.
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//	defer stop()
//	err := life.Run(ctx, server, listener)
func (l *Lifecycle) Run(ctx context.Context, s *http.Server, listener net.Listener) error {
	if ctx == nil {
		return errors.Join(errNoContext, listener.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- l.Serve(s, listener)
		cancel() // It may have failed while the instance was starting.
	}()
	err := l.Start(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
		case <-l.draining:
		}
		err = l.Shutdown(context.Background())
	}
	return errors.Join(err, <-served)
}

// Probes returns a handler for the probes of Kubernetes: /livez, /readyz and /startupz, below any
// prefix. The answer is 200 or 503 with the name of the state. /livez fails when the instance is
// closed: starting and draining are no reasons to kill it.
func (l *Lifecycle) Probes() http.Handler {
	good := map[string]func(State) bool{
		"livez":    func(s State) bool { return s != Closed },
		"readyz":   func(s State) bool { return s == Ready },
		"startupz": func(s State) bool { return s == Ready || s == Draining },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probe, ok := good[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
		if !ok {
			http.NotFound(w, r)
			return
		}
		state := l.State()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if !probe(state) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, state.String()+"\n")
	})
}
