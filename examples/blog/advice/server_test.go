package advice_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/contrib/gqlgen"
	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/pool/advisor"
)

// The blog's servers tell which fields ask for what, on all ways to Postgres, and there is
// nothing to fix.
func TestServers(t *testing.T) {
	db, _ := open(t, 0.1)
	dsn := as(t, db, "postgres")
	for name, b := range map[string]blocks.Blocks{
		"baseline": {}, "boosted": {SIMDJSON: true, PlanCache: true, Pool: true, Reader: true, Dataloader: true, Merge: true, Stream: true},
	} {
		recorder := advisor.NewRecorder(advisor.RecorderOptions{Caller: gqlgen.FieldPath})
		b.Advisor = recorder
		s, err := b.Open(t.Context(), dsn, 8, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		crowd := make(chan struct{}, 8)
		for range 200 {
			crowd <- struct{}{}
			go func() {
				defer func() { <-crowd }()
				body := `{"query":"query Feed { feed(first: 10) { title author { name } tags { name } commentCount comments(first: 3) { body author { name } } } }"}`
				r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"commentCount"`) {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}()
		}
		for range cap(crowd) {
			crowd <- struct{}{}
		}
		record := recorder.Record()
		callers := map[string]bool{}
		runs := int64(0)
		for _, each := range record.Statements {
			runs += each.Calls
			for caller := range each.Callers {
				callers[caller] = true
			}
		}
		if runs < 200*6 || !callers["feed"] || !callers["feed[*].author"] || !callers["feed[*].comments[*].author"] {
			t.Errorf("%s: %d statements by %v", name, runs, callers)
		}
		w := httptest.NewRecorder()
		blocks.Advice(func() string { return dsn }, recorder).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/advice", nil).WithContext(t.Context()))
		page, _ := io.ReadAll(w.Body)
		// What is not asked for here is not used, and that is all.
		const finding = `<span class="kind">`
		if all, unused := strings.Count(string(page), finding), strings.Count(string(page), finding+"unused index"); w.Code != http.StatusOK || all != unused {
			t.Errorf("%s: %d\n%s", name, w.Code, page)
		}
		s.Close()
	}
}
