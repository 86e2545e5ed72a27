package blocks_test

import (
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
)

// executors are the ways in which the blog executes operations.
var executors = map[string]blocks.Blocks{
	"gqlgen":   {PlanCache: true, Pool: true, Reader: true},
	"compiled": {PlanCache: true, Pool: true, Reader: true, SIMDJSON: true, Stream: true, Compiled: true},
	"batched":  {PlanCache: true, Pool: true, Reader: true, SIMDJSON: true, Stream: true, Compiled: true, Batch: true},
}

// instance opens a server that keeps responses, as one of those that a hub connects.
func instance(t *testing.T, b blocks.Blocks, hub *bustest.Hub, dsn string) *blocks.Server {
	t.Helper()
	link, err := bus.New(hub.Connect(), bus.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := link.Close(); err != nil {
			t.Error(err)
		}
	})
	b.Results, b.Bus = time.Hour, link
	s := openOn(t, b, dsn)
	if err := s.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// results returns the hits and misses of responses.
func results(s *blocks.Server) (hits, misses float64) {
	for _, source := range s.Sources {
		for m := range source.Metrics() {
			switch {
			case m.Name != "gqlboost.results.lookups":
			case m.Attrs[0].Value == "hit":
				hits += m.Value
			default:
				misses += m.Value
			}
		}
	}
	return hits, misses
}

const (
	front   = `{ feed(first: 3) { id title commentCount comments(first: 100) { id } } }`
	publish = `mutation { createPost(input: {authorId: 1, title: \"News\", body: \"New\"}) { id } }`
)

func comment(id string) string {
	return `mutation { addComment(input: {postId: ` + id + `, authorId: 1, body: \"new\"}) { id } }`
}

// idIn returns the first id of an answer.
func idIn(t *testing.T, answer string) string {
	t.Helper()
	_, after, found := strings.Cut(answer, `"id":"`)
	id, _, _ := strings.Cut(after, `"`)
	if _, err := strconv.Atoi(id); !found || err != nil {
		t.Fatalf("no id in %s", answer)
	}
	return id
}

// What one instance writes, the kept responses of all instances show.
func TestAWriteEndsWhatAllInstancesKeep(t *testing.T) {
	plain := open(t, blocks.Blocks{})
	for name, b := range executors {
		t.Run(name, func(t *testing.T) {
			hub := bustest.NewHub()
			a, other := instance(t, b, hub, dsn), instance(t, b, hub, dsn)
			kept := func(s *blocks.Server) string {
				t.Helper()
				before, _ := results(s)
				answer := ask(s, front)
				if again := ask(s, front); again != answer || strings.Contains(answer, "errors") {
					t.Errorf("%s, and then %s", answer, again)
				}
				if hits, _ := results(s); hits <= before {
					t.Errorf("%v hits", hits-before)
				}
				return answer
			}
			for _, write := range []string{publish, comment(idIn(t, ask(plain, front)))} {
				before := kept(a)
				if got := kept(other); got != before {
					t.Errorf("one instance answers %s, another one %s", before, got)
				}
				if answer := ask(a, write); strings.Contains(answer, "errors") {
					t.Fatal(answer)
				}
				want := ask(plain, front)
				if want == before {
					t.Fatalf("%s changes nothing", write)
				}
				if got := ask(a, front); got != want {
					t.Errorf("after %s its instance answers %s, want %s", write, got, want)
				}
				wait.Until(t, "the other instance shows it", func() bool { return ask(other, front) == want })
				kept(a)
			}
			// A comment on what a response does not show costs nothing.
			if answer := ask(a, comment("1")); strings.Contains(answer, "errors") {
				t.Fatal(answer)
			}
			_, before := results(a)
			ask(a, front)
			if _, misses := results(a); misses != before {
				t.Error("a comment on another post ends the front page")
			}
		})
	}
}

// Answers are those of a server that keeps nothing, whatever is asked for.
func TestKeptAnswersAreThoseOfTheServer(t *testing.T) {
	plain := open(t, blocks.Blocks{})
	for name, b := range executors {
		b.Results = time.Hour
		s := openOn(t, b, dsn)
		for range 2 { // The second time they are kept.
			for _, query := range []string{
				front, `{ first: feed(first: 1) { id } feed(first: 2, before: 9) { id title } }`, `{ feed(first: 0) { id } }`,
				`{ feed(first: 1000) { id } }`, `{ feed { nothing } }`, `{ feed(first: 1) { id } totals { users } }`,
				`{ ...f } fragment f on Query { feed(first: 2) { id author { name } } }`, `{ __typename feed(first: 1) { id } }`,
			} {
				if got, want := ask(s, query), ask(plain, query); got != want {
					t.Errorf("%s: %s: %s, want %s", name, query, got, want)
				}
			}
			for _, variables := range []string{`{"n":1}`, `{"n":2}`, `{"n":2,"more":true}`, `{"n":1,"before":5}`} {
				q := url.Values{"variables": {variables}, "query": {
					`query q($n: Int!, $before: ID, $more: Boolean = false) { feed(first: $n, before: $before) { id title @include(if: $more) } }`}}
				var got [2]string
				for i, each := range []*blocks.Server{s, plain} {
					w := httptest.NewRecorder()
					each.ServeHTTP(w, httptest.NewRequest("GET", "/graphql?"+q.Encode(), nil))
					got[i] = w.Body.String()
				}
				if got[0] != got[1] || strings.Contains(got[0], "errors") {
					t.Errorf("%s: with %s: %s, want %s", name, variables, got[0], got[1])
				}
			}
		}
		if hits, misses := results(s); hits != 7 || misses != 9 { // Two are of the error, which is not kept.
			t.Errorf("%s: %v hits and %v misses", name, hits, misses)
		}
	}
}

// What an instance keeps it has read from the primary: a replica that lags would bring back what
// has just been ended. A client that has written is not answered from what is kept.
func TestLaggingReplicaIsNotKept(t *testing.T) {
	replica := startStandby(t)
	plain := open(t, blocks.Blocks{})
	hub := bustest.NewHub()
	b := executors["compiled"]
	writer, other := instance(t, b, hub, replica.dsn), instance(t, b, hub, replica.dsn)
	replica.stop(t)
	ask(other, front)
	_, cookies := send(writer, publish, nil)
	want := ask(plain, front)
	wait.Until(t, "the other instance shows it", func() bool { return ask(other, front) == want })
	for range 3 {
		if got := ask(other, front); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	hits, misses := results(other)
	if got, _ := send(other, front, cookies); got != want || len(cookies) != 1 {
		t.Errorf("the writer reads %s, want %s, with %d cookies", got, want, len(cookies))
	}
	if h, m := results(other); h != hits || m != misses {
		t.Error("a client that has written was answered from what is kept")
	}
}

func TestResultsAndArenasExcludeEachOther(t *testing.T) {
	if s, err := (blocks.Blocks{Results: time.Hour, Arena: true}).Open(t.Context(), dsn, 2, 0, nil); err == nil {
		s.Close()
		t.Error("no error")
	}
}
