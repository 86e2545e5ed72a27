package gqlboost_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// allowed are the modules that come along with a package, besides the standard library:
// a team that imports one block must not get the dependencies of the others.
var allowed = map[string][]string{
	".":                    {},
	"./arena":              {"github.com/KimMachineGun/automemlimit", "github.com/pbnjay/memory", "github.com/valyala/bytebufferpool", "golang.org/x/sys"},
	"./simdjson":           {"github.com/bytedance", "github.com/cloudwego", "github.com/klauspost/cpuid", "github.com/twitchyliquid64", "golang.org/x/arch", "golang.org/x/sys"},
	"./stream":             {"github.com/valyala/bytebufferpool", "golang.org/x/sys"},
	"./stream/incremental": {"github.com/valyala/bytebufferpool", "golang.org/x/sys"},
	"./stream/pgrows":      {"github.com/jackc", "github.com/valyala/bytebufferpool", "golang.org/x/sys", "golang.org/x/text", "golang.org/x/sync"},
	"./pool":               {"github.com/jackc", "golang.org/x/sys", "golang.org/x/text", "golang.org/x/sync"},
	"./pool/reader":        {"github.com/jackc", "golang.org/x/text", "golang.org/x/sync"},
	"./pool/dataloader":    {"github.com/jackc", "golang.org/x/text", "golang.org/x/sync"},
	"./pool/advisor":       {"github.com/jackc", "golang.org/x/text", "golang.org/x/sync"},
	"./pool/matview":       {"github.com/jackc", "golang.org/x/text", "golang.org/x/sync"},
	"./lifecycle":          {},
	"./plancache":          {"github.com/dgraph-io/ristretto", "github.com/cespare/xxhash", "github.com/dustin/go-humanize", "golang.org/x/sys"},

	"./plancache/bus":         {},
	"./plancache/bus/bustest": {},
}

// An outside module imports each package alone.
func TestEachPackageAlone(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/gqlboost/gqlboost"
	for name, allowed := range allowed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := strings.TrimSuffix(module+"/"+strings.TrimPrefix(strings.TrimPrefix(name, "."), "/"), "/")
			for file, text := range map[string]string{
				"go.mod":  "module example.com/outside\n\ngo 1.26\n\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + root + "\n",
				"main.go": "package main\n\nimport _ \"" + path + "\"\n\nfunc main() {}\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			run := func(args ...string) string {
				t.Helper()
				cmd := exec.Command("go", args...)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
				}
				return string(out)
			}
			run("mod", "tidy")
			run("build", "-o", filepath.Join(dir, "main"), ".")
			for dep := range strings.FieldsSeq(run("list", "-deps", ".")) {
				first, _, _ := strings.Cut(dep, "/")
				if !strings.Contains(first, ".") || strings.HasPrefix(dep, module) || strings.HasPrefix(dep, "example.com/") || strings.HasPrefix(dep, "vendor/") {
					continue
				}
				known := false
				for _, prefix := range allowed {
					known = known || strings.HasPrefix(dep, prefix)
				}
				if !known {
					t.Errorf("%s comes along", dep)
				}
			}
		})
	}
}

// The tags leave sonic out of simdjson, whose initialization panics where memory must not become
// executable.
func TestWithoutSonic(t *testing.T) {
	for _, tag := range []string{"gqlboost_nosonic", "purego"} {
		out, err := exec.Command("go", "list", "-deps", "-tags", tag, "./simdjson").CombinedOutput()
		if err != nil || strings.Contains(string(out), "bytedance") {
			t.Errorf("%s: %v\n%s", tag, err, out)
		}
	}
}
