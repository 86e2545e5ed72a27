package hosts

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// What the tests of genqlient import.
	_ "github.com/Khan/genqlient/generate"
	_ "github.com/Khan/genqlient/graphql"
	_ "github.com/gorilla/websocket"
)

// host is a server that was made with gqlgen.
type host struct {
	path, source    string
	generate, tests string // directories in it
	leave           string // a command in it that needs more than there is
}

// examplesVersion is the last version of gqlgen that has its examples in its own module. The
// module that they have been since is not on the module proxy.
const examplesVersion = "v0.14.0"

// servers returns servers that others have made: for subscriptions genqlient's and chat, for
// uploads fileupload, for dataloaders and directives the others. (For federation see
// TestGqlgenHosts.)
func servers(t *testing.T) map[string]host {
	const genqlient, gqlgen = "github.com/Khan/genqlient", "github.com/99designs/gqlgen"
	list := map[string]host{
		"genqlient": {genqlient, moduleDir(t, genqlient), "internal/integration/server", "internal/integration", ""},
		"uploads":   {"example.com/uploads", "testdata/uploads", ".", ".", ""},
	}
	var examples struct{ Dir string }
	download := run(t, "go", "mod", "download", "-json", gqlgen+"@"+examplesVersion)
	if err := json.Unmarshal([]byte(download), &examples); err != nil {
		t.Fatalf("%v: %s", err, download)
	}
	names := []string{"chat", "fileupload"}
	if os.Getenv("GQLBOOST_LONG") != "" {
		names = append(names, "dataloader", "scalars", "selection", "todo")
	}
	for _, name := range names {
		list[name] = host{gqlgen + "/example/" + name, filepath.Join(examples.Dir, "example", name), ".", ".", "server"}
	}
	return list
}

// TestServers runs the tests of servers that were made with gqlgen, as they are and with our
// transports and caches. What fails with gqlgen's own, because its version is another one
// than the tests are for, must be what fails with ours.
func TestServers(t *testing.T) {
	boosted := newGqlgen(t, gqlgenEdits)
	for name, h := range servers(t) {
		t.Run(name, func(t *testing.T) {
			host := newHost(t, h)
			theirs, ours := host.failures(t, h.tests), host.using(t, boosted).failures(t, h.tests)
			if a, b := slices.Sorted(maps.Keys(theirs)), slices.Sorted(maps.Keys(ours)); !slices.Equal(a, b) {
				t.Errorf("with gqlgen's own %q fail, with ours %q\n%q", a, b, ours)
			}
			for name, output := range theirs {
				if strings.HasSuffix(name, " ") { // A package, and none of its tests.
					t.Errorf("%s could not run: %s", name, output)
				}
			}
		})
	}
}
