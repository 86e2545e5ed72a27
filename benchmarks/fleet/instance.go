package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// release is what a deploy brings to instances.
type release struct {
	name string
	next bool // it has the next version of the schema
	dsn  string
	args []string
}

// instance is a running blog.
type instance struct {
	*load.Server
	release release
	slot    int // of the balancer

	// Those of the watcher, when it looked last.
	before  figures
	warmed  float64 // plans that it had when it was ready
	refused float64 // canaries since then: each is a miss, because what is refused is never cached
}

// address is where it serves.
func (i *instance) address() string {
	return strings.TrimSuffix(strings.TrimPrefix(i.URL, "http://"), "/graphql")
}

// figures are counts of an instance since it was started.
type figures struct {
	hits, misses float64 // lookups of plans
	kept, made   float64 // lookups of results
}

// client is that of looks at instances.
var client = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// look asks an instance for its counts.
func (i *instance) look(ctx context.Context) (f figures, err error) {
	var metrics []gqlboost.Metric
	if err := i.get(ctx, i.DebugURL+"/metrics", &metrics); err != nil {
		return f, err
	}
	for _, m := range metrics {
		hit := len(m.Attrs) == 1 && m.Attrs[0].Value == "hit"
		switch {
		case m.Name == "gqlboost.plancache.lookups" && hit:
			f.hits += m.Value
		case m.Name == "gqlboost.plancache.lookups":
			f.misses += m.Value
		case m.Name == "gqlboost.results.lookups" && hit:
			f.kept += m.Value
		case m.Name == "gqlboost.results.lookups":
			f.made += m.Value
		}
	}
	return f, nil
}

func (i *instance) get(ctx context.Context, url string, v any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return i.exchange(request, v)
}

func (i *instance) exchange(request *http.Request, v any) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		return fmt.Errorf("fleet: %s: %s: %w", i.Name, response.Status, err)
	}
	return nil
}

// The queries that only one version of the schema knows. An instance that answers the other
// version's has a plan of a schema that is not its own.
const (
	retiredQuery = `query retired { user(id: 1) { handle } }`
	addedQuery   = `query added { user(id: 1) { id @cost(of: 1) } }`
)

// nextSchema changes the schema: a field is retired, and a directive is new.
func nextSchema(sdl string) (string, error) {
	next := strings.Replace(sdl, "  handle: String!\n", "", 1)
	if next == sdl {
		return "", fmt.Errorf("fleet: the blog's schema has no field handle to retire")
	}
	return next + "\ndirective @cost(of: Int) on FIELD\n", nil
}

// canary asks for both queries, and returns how many were answered, how many of these by a refusal, and
// what was wrong.
func (i *instance) canary(ctx context.Context) (answers int, refused float64, wrong []string) {
	for query, known := range map[string]bool{retiredQuery: !i.release.next, addedQuery: i.release.next} {
		request, err := post(ctx, i.URL, query)
		if err != nil {
			return answers, refused, []string{err.Error()}
		}
		var answer struct {
			Data   map[string]any
			Errors []struct{ Message string }
		}
		if err := i.exchange(request, &answer); err != nil {
			continue // It starts, ends or was killed.
		}
		answers++
		if !known {
			refused++
		}
		invalid := len(answer.Errors) > 0 &&
			(strings.Contains(answer.Errors[0].Message, "Cannot query field") ||
				strings.Contains(answer.Errors[0].Message, "Unknown directive"))
		if invalid == known {
			wrong = append(wrong, fmt.Sprintf("%s (next schema: %v) answers %q with %.100v %.100v", i.Name,
				i.release.next, query, answer.Data, answer.Errors))
		}
	}
	return answers, refused, wrong
}
