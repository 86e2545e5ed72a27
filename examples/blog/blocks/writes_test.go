package blocks_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/internal/wait"
)

// send posts a request with cookies, and returns the answer with those that it sets.
func send(h http.Handler, query string, cookies []*http.Cookie) (string, []*http.Cookie) {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"`+query+`"}`))
	r.Header.Set("Content-Type", "application/json")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Body.String(), w.Result().Cookies()
}

// A client that writes reads what it has written, also from another instance, while the replica
// stands still; another client reads what the replica has.
func TestClientsReadTheirWrites(t *testing.T) {
	replica := startStandby(t)
	for name, b := range map[string]blocks.Blocks{
		"gqlgen":   {Pool: true, Reader: true},
		"compiled": {Pool: true, Reader: true, PlanCache: true, SIMDJSON: true, Stream: true, Compiled: true, Arena: true},
	} {
		t.Run(name, func(t *testing.T) {
			writer, other := openOn(t, b, replica.dsn), openOn(t, b, replica.dsn)
			const list = `{ post(id: 1) { commentCount } }`
			before, _ := send(other, list, nil)
			replica.stop(t)
			answer, cookies := send(writer, `mutation { addComment(input: {postId: 1, authorId: 1, body: \"new\"}) { id } }`, nil)
			if strings.Contains(answer, "errors") || len(cookies) != 1 {
				t.Fatalf("%s, with %d cookies", answer, len(cookies))
			}
			wait.Until(t, "the replica, which stands still, answers others", func() bool {
				now, _ := send(other, list, nil)
				return now == before
			})
			if after, set := send(other, list, cookies); after == before || len(set) != 0 {
				t.Errorf("the writer reads %s, as before, and gets %d cookies", after, len(set))
			}
			replica.follow(t)
			wait.Until(t, "the replica has it", func() bool {
				now, _ := send(other, list, nil)
				return now != before
			})
		})
	}
}
