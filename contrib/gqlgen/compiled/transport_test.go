package compiled_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// endless is a zoo whose list of plain objects is as long as it is asked for.
type endless struct {
	*zoo.Resolver
	after func(ctx context.Context, i int) error // called behind each element
}

func (e endless) Query() zoo.QueryResolver { return endlessQuery{e.Resolver.Query(), e.after} }

type endlessQuery struct {
	zoo.QueryResolver
	after func(ctx context.Context, i int) error
}

func (q endlessQuery) PlainSeq(ctx context.Context, n int) iter.Seq2[*zoo.Plain, error] {
	return func(yield func(*zoo.Plain, error) bool) {
		for i := range n {
			if !yield(&zoo.Plain{ID: i, Title: strings.Repeat("t", 100)}, nil) {
				return
			}
			if err := q.after(ctx, i); err != nil && !yield(nil, err) {
				return
			}
		}
	}
}

func newStreaming(t *testing.T, after func(context.Context, int) error, with ...func(*handler.Server)) (*httptest.Server, graphql.ExecutableSchema) {
	schema := zoo.NewCompiledSchema(zoo.Config{Resolvers: endless{&zoo.Resolver{}, after}, Directives: zoo.Directives()})
	srv := handler.New(schema)
	srv.AddTransport(gqlgen.GET(gqlgen.Options{}))
	srv.AddTransport(gqlgen.POST(gqlgen.Options{ResponseHeaders: map[string][]string{"X-Test": {"yes"}}}))
	srv.SetRecoverFunc(func(context.Context, any) error { return errors.New("recovered") })
	for _, each := range with {
		each(srv)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		srv.ServeHTTP(w, r.WithContext(zoo.With(r.Context(), &zoo.Env{})))
	}))
	t.Cleanup(s.Close)
	return s, schema
}

func held(s graphql.ExecutableSchema) map[string]uint64 {
	return s.(interface{ Held() map[string]uint64 }).Held()
}

func ask(t *testing.T, s *httptest.Server, query string) *http.Response {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"query": query})
	response, err := s.Client().Post(s.URL, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// TestStreaming sees the first elements before the last ones are made.
func TestStreaming(t *testing.T) {
	seen := make(chan struct{})
	s, schema := newStreaming(t, func(ctx context.Context, i int) error {
		if i == 5000 {
			select {
			case <-seen:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}, func(srv *handler.Server) {
		srv.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
			graphql.GetOperationContext(ctx) // Middleware that looks at operations is in nobody's way.
			return next(ctx)
		})
	})
	response := ask(t, s, `{ plain(n: 10000) { id title } }`)
	first := make([]byte, 10_000)
	if _, err := io.ReadFull(response.Body, first); err != nil {
		t.Fatal(err, held(schema))
	}
	close(seen)
	rest, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Data struct{ Plain []struct{ ID string } }
	}
	if err := json.Unmarshal(append(first, rest...), &got); err != nil || len(got.Data.Plain) != 10_000 || got.Data.Plain[9999].ID != "9999" {
		t.Errorf("%v, %d elements", err, len(got.Data.Plain))
	}
	if h := response.Header; h.Get("Content-Type") != "application/json" || h.Get("X-Test") != "yes" {
		t.Error(h)
	}
}

// TestStreamingFails has errors behind what has been sent: of elements that may not be null the
// response is broken off.
func TestStreamingFails(t *testing.T) {
	failed := errors.New("no more")
	for name, c := range map[string]struct {
		after func(context.Context, int) error
		whole bool
	}{
		"late":  {func(_ context.Context, i int) error { return errAt(i, 5000, failed) }, false},
		"early": {func(_ context.Context, i int) error { return errAt(i, 5, failed) }, true},
		"panic": {func(_ context.Context, i int) error {
			if i == 5000 {
				panic("on purpose")
			}
			return nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStreaming(t, c.after)
			body, err := io.ReadAll(ask(t, s, `{ plain(n: 10000) { id title } }`).Body)
			if !c.whole {
				if err == nil {
					t.Errorf("the response looks complete: %s", body[max(0, len(body)-100):])
				}
				return
			}
			want := `{"errors":[{"message":"no more","path":["plain",6],"locations":[{"line":1,"column":3}]}],"data":null}`
			if got := strings.TrimSpace(string(body)); err != nil || !sameJSON(got, want) {
				t.Errorf("%v %s, want %s", err, got, want)
			}
		})
	}
}

func errAt(i, at int, err error) error {
	if i == at {
		return err
	}
	return nil
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

// TestSlowResponses sees that a small response is whole however slow it is, and that what has been
// written does not wait for more when the first has been sent.
func TestSlowResponses(t *testing.T) {
	t.Run("small", func(t *testing.T) {
		s, _ := newStreaming(t, func(_ context.Context, i int) error {
			time.Sleep(150 * time.Millisecond)
			return errAt(i, 2, errors.New("no more"))
		})
		r := ask(t, s, `{ plain(n: 10) { id } }`)
		body, err := io.ReadAll(r.Body)
		want := `{"errors":[{"message":"no more","path":["plain",3],"locations":[{"line":1,"column":3}]}],"data":null}`
		if err != nil || r.StatusCode != http.StatusOK || !sameJSON(string(body), want) {
			t.Errorf("%v %d %s, want %s", err, r.StatusCode, body, want)
		}
	})
	t.Run("large", func(t *testing.T) {
		const last = 1000
		seen := make(chan struct{})
		s, _ := newStreaming(t, func(_ context.Context, i int) error {
			switch i {
			case last:
				time.Sleep(150 * time.Millisecond)
			case last + 1:
				select {
				case <-seen:
				case <-time.After(10 * time.Second):
					return errors.New("nothing has been sent")
				}
			}
			return nil
		})
		body := bufio.NewReader(ask(t, s, `{ plain(n: 1100) { title id } }`).Body)
		for text, id := "", fmt.Sprintf(`"id":"%d"`, last); !strings.Contains(text, id); {
			next, err := body.ReadString('}')
			if err != nil {
				t.Fatal(err)
			}
			text = next
		}
		close(seen)
	})
}

// TestStreamingToOldClients sees that a client of HTTP/1.0, which would take a response that breaks
// off for complete, has a whole one.
func TestStreamingToOldClients(t *testing.T) {
	s, schema := newStreaming(t, func(_ context.Context, i int) error { return errAt(i, 5000, errors.New("no more")) })
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const body = `{"query":"{ plain(n: 10000) { id title } }"}`
	fmt.Fprintf(c, "POST / HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	want := `{"errors":[{"message":"no more","path":["plain",5001],"locations":[{"line":1,"column":3}]}],"data":null}`
	if err != nil || r.StatusCode != http.StatusOK || !sameJSON(string(text), want) {
		t.Errorf("%v %d %s, want %s", err, r.StatusCode, text, want)
	}
	if h := held(schema); !maps.Equal(h, map[string]uint64{"client": 1}) {
		t.Errorf("held %v", h)
	}
}

// deadlined is a ResponseWriter of HTTP/3: it has deadlines, and ends the stream well all the same.
type deadlined struct{ *httptest.ResponseRecorder }

func (deadlined) SetWriteDeadline(time.Time) error { return nil }

// unflushed is a ResponseWriter with deadlines and without Flush.
type unflushed struct{ http.ResponseWriter }

func (unflushed) SetWriteDeadline(time.Time) error { return nil }

// TestStreamingToOthers sees that responses are whole where package stream would hold them.
func TestStreamingToOthers(t *testing.T) {
	for name, c := range map[string]struct {
		major, minor int
		of           func(*httptest.ResponseRecorder) http.ResponseWriter
	}{
		"HTTP/3":   {3, 0, func(w *httptest.ResponseRecorder) http.ResponseWriter { return deadlined{w} }},
		"no Flush": {1, 1, func(w *httptest.ResponseRecorder) http.ResponseWriter { return unflushed{w} }},
	} {
		s, schema := newStreaming(t, func(_ context.Context, i int) error { return errAt(i, 5000, errors.New("no more")) })
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"query":"{ plain(n: 10000) { id title } }"}`))
		r.Header.Set("Content-Type", "application/json")
		r.ProtoMajor, r.ProtoMinor = c.major, c.minor
		s.Config.Handler.ServeHTTP(c.of(w), r)
		want := `{"errors":[{"message":"no more","path":["plain",5001],"locations":[{"line":1,"column":3}]}],"data":null}`
		if w.Code != http.StatusOK || !sameJSON(w.Body.String(), want) {
			t.Errorf("%s: %d %.200s, want %s", name, w.Code, w.Body, want)
		}
		if h := held(schema); !maps.Equal(h, map[string]uint64{"client": 1}) {
			t.Errorf("%s: held %v", name, h)
		}
	}
}

// TestStreamingIsSeen has middleware that sees responses: nothing is sent before it has.
func TestStreamingIsSeen(t *testing.T) {
	for name, use := range map[string]func(*handler.Server, *int){
		"responses": func(s *handler.Server, seen *int) {
			s.AroundResponses(func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
				r := next(ctx)
				*seen = len(r.Data)
				return r
			})
		},
		"operations": func(s *handler.Server, seen *int) {
			s.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
				responses := next(ctx)
				return func(ctx context.Context) *graphql.Response {
					r := responses(ctx)
					*seen = len(r.Data)
					return r
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := 0
			s, schema := newStreaming(t, func(context.Context, int) error { return nil }, func(srv *handler.Server) { use(srv, &seen) })
			body, err := io.ReadAll(ask(t, s, `{ plain(n: 10) { id title } }`).Body)
			if err != nil || seen < 400 || len(body) <= seen || !maps.Equal(held(schema), map[string]uint64{"response middleware": 1}) {
				t.Errorf("%v: %d bytes, %d seen, held %v", err, len(body), seen, held(schema))
			}
		})
	}
}

// TestStreamingErrorsAndExtensions has both behind the data.
func TestStreamingErrorsAndExtensions(t *testing.T) {
	s, _ := newStreaming(t, func(ctx context.Context, i int) error {
		if i == 5000 {
			graphql.AddErrorf(ctx, "of the resolver")
			graphql.RegisterExtension(ctx, "said", 1)
		}
		return nil
	})
	body, err := io.ReadAll(ask(t, s, `{ plain(n: 10000) { id title } }`).Body)
	end := `],"errors":[{"message":"of the resolver","path":["plain"]}],"extensions":{"said":1}}`
	if end = `]}` + end[1:]; err != nil || !strings.HasSuffix(strings.TrimSpace(string(body)), end) {
		t.Errorf("%v: %s", err, body[max(0, len(body)-200):])
	}
	if !json.Valid(body) {
		t.Error("not JSON")
	}
}
