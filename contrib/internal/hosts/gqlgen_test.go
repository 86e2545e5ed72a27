package hosts

import (
	"os"
	"testing"

	// What gqlgen's tests import.
	_ "github.com/99designs/gqlgen/api"
	_ "github.com/99designs/gqlgen/graphql/handler/debug"
	_ "github.com/coder/websocket"
	_ "github.com/go-viper/mapstructure/v2"
	_ "github.com/google/uuid"
	_ "github.com/stretchr/testify/assert"
	_ "golang.org/x/tools/go/packages"
	_ "google.golang.org/protobuf/proto"

	// What takes the place of gqlgen's.
	_ "github.com/gqlboost/gqlboost/contrib/gqlgen"
	_ "github.com/gqlboost/gqlboost/plancache"
)

// gqlgenEdits takes the transports and caches of gqlgen away. The files in testdata have
// ours.
var gqlgenEdits = []edit{
	{"graphql/handler/transport/http_post.go", "func (h POST) Supports(", "func (h POST) replacedSupports("},
	{"graphql/handler/transport/http_post.go", "func (h POST) Do(", "func (h POST) replacedDo("},
	{"graphql/handler/transport/http_get.go", "func (h GET) Supports(", "func (h GET) replacedSupports("},
	{"graphql/handler/transport/http_get.go", "func (h GET) Do(", "func (h GET) replacedDo("},
	{"graphql/handler/server.go", "exec: executor.New(es),", "exec: func() *executor.Executor { e := executor.New(es); e.SetQueryCache(boostedQueries(es)); return e }(),"},
	{"graphql/handler/server.go", "srv.SetQueryCache(lru.New[*ast.QueryDocument](1000))", "srv.SetQueryCache(boostedQueries(es))"},
	{"graphql/handler/server.go", "Cache: lru.New[string](100),", "Cache: boostedTexts(),"},
	{"graphql/handler/server.go", `	"github.com/99designs/gqlgen/graphql/handler/lru"` + "\n", ""},
}

// multipartEdits takes gqlgen's multipart responses away, too.
var multipartEdits = []edit{
	{"graphql/handler/transport/http_multipart_mixed.go", "func (t MultipartMixed) Supports(", "func (t MultipartMixed) replacedSupports("},
	{"graphql/handler/transport/http_multipart_mixed.go", "func (t MultipartMixed) Do(", "func (t MultipartMixed) replacedDo("},
}

// gqlgenDifferences are all tests of gqlgen that fail with our blocks.
var gqlgenDifferences = []difference{
	{
		"graphql/handler/transport TestPOST/decode_failure", "body:notjson",
		"An error does not send a body back: it may hold secrets, and error presenters log messages.",
	},
	{
		"graphql/handler/transport TestMultipartMixed/decode_failure", "body:notjson",
		"As above.",
	},
	{
		"graphql/handler/transport TestMultipartMixed/initial_and_incremental_patches_un-aggregated", `"pending"`,
		"Incremental sends the format that the client asks for, which without deferSpec is the current one; " +
			"a boundary begins with CRLF as RFC 2046 has it, and Connection, which HTTP/2 forbids, is net/http's to set.",
	},
	{
		"graphql/handler/transport TestMultipartMixed/initial_and_incremental_patches_aggregated", `"pending"`,
		"As above; each payload is sent when it is there.",
	},
}

// TestGqlgen runs gqlgen's tests of its transports, client, extensions and executor.
func TestGqlgen(t *testing.T) {
	m := newGqlgen(t, append(multipartEdits, gqlgenEdits...))
	m.add(t, "testdata/multipart.go", "graphql/handler/transport/gqlboost_multipart.go")
	m.test(t, gqlgenDifferences, "client", "graphql", "graphql/executor", "graphql/handler/...")
}

// TestGqlgenHosts runs the tests of the servers that gqlgen generates for its own tests:
// every feature of a schema, subscriptions, and federation. Their @defer is gqlgen's: its
// client reads no other format than gqlgen's.
func TestGqlgenHosts(t *testing.T) {
	if os.Getenv("GQLBOOST_LONG") == "" {
		t.Skip("takes minutes; set GQLBOOST_LONG=1")
	}
	newGqlgen(t, gqlgenEdits).test(t, nil, "codegen/testserver/...", "plugin/federation/...")
}

func newGqlgen(t *testing.T, edits []edit) *module {
	t.Helper()
	m := newModule(t, "github.com/99designs/gqlgen", edits)
	m.add(t, "testdata/transport.go", "graphql/handler/transport/gqlboost.go")
	m.add(t, "testdata/caches.go", "graphql/handler/gqlboost.go")
	return m
}
