package hosts

import (
	"encoding/json"
	"os"
	"path/filepath"
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
	random          string // a test of it that fails with gqlgen's own as well, but not each time
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
		// gqlgen's errors have positions since, so the test fails, unless the connection ends before its
		// client has looked at the answer.
		"genqlient": {path: genqlient, source: moduleDir(t, genqlient), generate: "internal/integration/server",
			tests: "internal/integration", random: "TestSubscriptionConnectionParams/unauthorized_user_gets_error"},
		"uploads": {path: "example.com/uploads", source: "testdata/uploads", generate: ".", tests: "."},
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
		list[name] = host{path: gqlgen + "/example/" + name, source: filepath.Join(examples.Dir, "example", name),
			generate: ".", tests: ".", leave: "server"}
	}
	return list
}

// TestServers runs the tests of servers that were made with gqlgen, as they are and with our
// transports and caches. Only what fails with gqlgen's own may fail with ours: its version is
// another one than the tests are for.
func TestServers(t *testing.T) {
	boosted := newGqlgen(t, gqlgenEdits)
	for name, h := range servers(t) {
		t.Run(name, func(t *testing.T) {
			host := newHost(t, h)
			theirs, ours := host.failures(t, h.tests), host.using(t, boosted).failures(t, h.tests)
			for name, output := range ours {
				if _, ok := theirs[name]; !ok && (h.random == "" || !strings.HasSuffix(name, " "+h.random)) {
					t.Errorf("%s fails with ours only: %s", name, output)
				}
			}
			for name, output := range theirs {
				if strings.HasSuffix(name, " ") { // A package, and none of its tests.
					t.Errorf("%s could not run: %s", name, output)
				}
			}
		})
	}
}
