package hosts

import (
	"maps"
	"slices"
	"testing"

	// What the tests of genqlient import.
	_ "github.com/Khan/genqlient/generate"
	_ "github.com/Khan/genqlient/graphql"
	_ "github.com/gorilla/websocket"
)

// TestServers runs the tests of servers that were made with gqlgen, as they are and with our
// transports and caches: subscriptions by genqlient, and uploads. (For federation see
// TestGqlgenHosts.)
func TestServers(t *testing.T) {
	const genqlient = "github.com/Khan/genqlient"
	boosted := newGqlgen(t, gqlgenEdits)
	for name, c := range map[string]struct{ path, source, generate, tests string }{
		"genqlient": {genqlient, moduleDir(t, genqlient), "internal/integration/server", "internal/integration"},
		"uploads":   {"example.com/uploads", "testdata/uploads", ".", "."},
	} {
		t.Run(name, func(t *testing.T) {
			host := newHost(t, c.path, c.source, c.generate)
			theirs, ours := host.failures(t, c.tests), host.using(t, boosted).failures(t, c.tests)
			if a, b := slices.Sorted(maps.Keys(theirs)), slices.Sorted(maps.Keys(ours)); !slices.Equal(a, b) {
				t.Errorf("with gqlgen's own %q fail, with ours %q\n%q", a, b, ours)
			}
		})
	}
}
