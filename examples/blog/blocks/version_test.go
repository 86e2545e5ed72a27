package blocks_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/examples/blog/blocks"
	"github.com/gqlboost/gqlboost/examples/blog/schema"
	"github.com/gqlboost/gqlboost/examples/blog/seed"
	"github.com/gqlboost/gqlboost/internal/postgres"
)

var (
	database *postgres.Server
	dsn      string
)

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) { database, dsn = s, s.DSN() }))
}

func open(t *testing.T, b blocks.Blocks) *blocks.Server {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := seed.Fill(t.Context(), conn, 0.001); err != nil && !errors.Is(err, seed.ErrSeeded) {
		t.Fatal(err)
	}
	return openOn(t, b, dsn)
}

func openOn(t *testing.T, b blocks.Blocks, dsn string) *blocks.Server {
	t.Helper()
	s, err := b.Open(t.Context(), dsn, 4, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask returns the body of the answer to a query.
func ask(h http.Handler, query string) string {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"`+query+`"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Body.String()
}

// lookups returns the hits and misses of the plans.
func lookups(s *blocks.Server) (hits, misses float64) {
	for _, source := range s.Sources {
		for m := range source.Metrics() {
			switch {
			case m.Name != "gqlboost.plancache.lookups":
			case m.Attrs[0].Value == "hit":
				hits += m.Value
			default:
				misses += m.Value
			}
		}
	}
	return hits, misses
}

const retired, added = `{ user(id: 1) { handle } }`, `{ user(id: 1) { id @cost(of: 1) } }`

// next is a version of the schema that retires a field and adds a directive.
func next() string {
	return strings.Replace(schema.SDL, "  handle: String!\n", "", 1) + "\ndirective @cost(of: Int) on FIELD\n"
}

func TestAnotherVersionOfTheSchema(t *testing.T) {
	file := write(t, "next.graphql", next())
	for name, b := range map[string]blocks.Blocks{
		"gqlgen": {PlanCache: true}, "compiled": {PlanCache: true, Pool: true, Reader: true, Compiled: true},
		"batched": {PlanCache: true, Compiled: true, Batch: true},
	} {
		t.Run(name, func(t *testing.T) {
			old := open(t, b)
			b.SchemaFile = file
			after := open(t, b)
			for range 2 { // The second time from a plan.
				for _, c := range []struct {
					server *blocks.Server
					query  string
					good   bool
				}{{old, retired, true}, {old, added, false}, {after, retired, false}, {after, added, true}} {
					if got := ask(c.server, c.query); strings.Contains(got, `"errors"`) == c.good {
						t.Errorf("new schema %v, %s: %s", c.server == after, c.query, got)
					}
				}
			}
		})
	}
	for _, file := range []string{write(t, "broken", "type Query {"), "missing.graphql"} {
		if s, err := (blocks.Blocks{SchemaFile: file}).Open(t.Context(), dsn, 2, 0, nil); err == nil {
			s.Close()
			t.Errorf("%s is a schema", file)
		}
	}
}

func TestManifestMakesTheFirstRequestAHit(t *testing.T) {
	manifest := `{"query":"{ totals { users } }"}` + "\n" + `{"query":"` + retired + `"}` + "\n"
	s := open(t, blocks.Blocks{PlanCache: true, Manifest: write(t, "manifest", manifest), SchemaFile: write(t, "next", next())})
	err := s.Warm(t.Context())
	if err == nil || strings.Count(err.Error(), "manifest:") != 1 || !strings.Contains(err.Error(), "handle") {
		t.Errorf("a retired query in the manifest: %v", err)
	}
	if body := ask(s, `{ totals { users } }`); strings.Contains(body, "errors") {
		t.Error(body)
	}
	if hits, misses := lookups(s); hits != 1 || misses != 0 {
		t.Errorf("%v hits and %v misses after the first request, want 1 and 0", hits, misses)
	}
	if err := open(t, blocks.Blocks{Manifest: "any"}).Warm(t.Context()); err == nil {
		t.Error("a manifest without a plan cache is taken")
	}
}
