package compile_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compile"
)

// TestGqlgenSuites runs the tests of gqlgen's code generator and of its federation with the
// compiled schema in place of gqlgen's own: in a copy of gqlgen from the module cache,
// all schemas are generated again with the plugin.
func TestGqlgenSuites(t *testing.T) {
	if os.Getenv("GQLBOOST_LONG") == "" {
		t.Skip("takes ten minutes: GQLBOOST_LONG=1")
	}
	s := newSuite(t)
	s.generate("codegen/testserver")
	s.generate("plugin/federation")
	replaced := s.replace()
	t.Logf("%d schemas", replaced)
	if replaced < 20 {
		t.Errorf("only %d schemas have been compiled", replaced)
	}
	s.run("go", "test", "-count=1", "-timeout=20m", "./codegen/testserver/...", "./plugin/federation/...")
	s.report()
}

type suite struct {
	*testing.T
	dir string
}

// newSuite copies gqlgen, and lets it import this repository.
func newSuite(t *testing.T) *suite {
	s := &suite{t, t.TempDir()}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	source := strings.TrimSpace(s.in(here, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/99designs/gqlgen"))
	if err := os.CopyFS(s.dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	contrib := filepath.Join(here, "..", "..")
	s.edit("go.mod", func(text string) string {
		for module, dir := range map[string]string{"": filepath.Dir(contrib), "/contrib": contrib} {
			module = "github.com/gqlboost/gqlboost" + module
			text += fmt.Sprintf("\nrequire %s v0.0.0-00010101000000-000000000000\nreplace %[1]s => %s\n", module, dir)
		}
		return text
	})
	const plugin = "\"github.com/gqlboost/gqlboost/contrib/gqlgen/compile\""
	s.write("gqlboost/imports.go", "package gqlboost\n\nimport _ "+plugin+"\n"+
		"import _ \"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled\"\n")
	s.edit("testdata/gqlgen.go", func(text string) string {
		text = strings.Replace(text, "import (\n", "import (\n\t"+plugin+"\n", 1)
		return strings.Replace(text, "err = api.Generate(cfg",
			"options = append(options, api.AddPlugin(compile.New()))\n\terr = api.Generate(cfg", 1)
	})
	s.run("go", "mod", "tidy")
	s.run("go", "build", "-o", "generator", "testdata/gqlgen.go")
	return s
}

var generateLine = regexp.MustCompile(`(?m)^//go:generate go run \S*testdata/gqlgen.go (.*)$`)

// generate does what go:generate says in the tests of a folder.
func (s *suite) generate(folder string) {
	s.walk(folder, func(path string) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, line := range generateLine.FindAllStringSubmatch(s.read(path), -1) {
			s.in(filepath.Join(s.dir, filepath.Dir(path)), filepath.Join(s.dir, "generator"), strings.Fields(line[1])...)
		}
	})
}

const (
	constructor = "func NewExecutableSchema("
	// Operations are noted when they are executed: the tests run in parallel.
	replacement = `
func NewExecutableSchema(cfg Config) graphql.ExecutableSchema {
	s := NewCompiledSchema(cfg)
	if _, ok := s.(graphql.ExecutableSchemaWithEventContext); ok {
		return s
	}
	return compiledReporter{s}
}

type compiledReporter struct{ graphql.ExecutableSchema }

func (r compiledReporter) Exec(ctx context.Context) graphql.ResponseHandler {
	fallbacks := r.ExecutableSchema.(interface{ Fallbacks() map[string]uint64 }).Fallbacks
	before := fallbacks()
	out := r.ExecutableSchema.Exec(ctx)
	for reason, n := range fallbacks() {
		if n > before[reason] {
			f, err := os.OpenFile(%q, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				panic(err)
			}
			_, _ = f.WriteString(reason + "\n")
			_ = f.Close()
			return out
		}
	}
	return out
}
`
)

// replace makes each package's NewExecutableSchema return the compiled one.
func (s *suite) replace() (n int) {
	s.walk(".", func(path string) {
		if filepath.Base(path) != compile.FileName {
			return
		}
		n++
		dir := filepath.Dir(path)
		s.edit(path, func(text string) string {
			text = strings.Replace(text, "import (\n", "import (\n\t\"os\"\n", 1)
			text = strings.Replace(text, "NewExecutableSchema(cfg).(", "newOwnSchema(cfg).(", 1)
			return text + fmt.Sprintf(replacement, filepath.Join(s.dir, "fallbacks"))
		})
		s.walk(dir, func(other string) {
			if other != path && filepath.Dir(other) == dir && strings.HasSuffix(other, ".go") {
				s.edit(other, func(text string) string { return strings.Replace(text, constructor, "func newOwnSchema(", 1) })
			}
		})
	})
	return n
}

// report says which operations gqlgen's own executor has executed.
func (s *suite) report() {
	sums := map[string]int{}
	for reason := range strings.Lines(s.read("fallbacks")) {
		sums[strings.TrimSpace(reason)]++
	}
	for reason, n := range sums {
		s.Logf("%d operations were delegated: %s", n, reason)
		switch reason {
		case "introspection", "subscription", "@defer", "directive in an operation":
		default:
			s.Errorf("%q is not a documented reason", reason)
		}
	}
}

func (s *suite) run(name string, args ...string) string {
	s.Helper()
	return s.in(s.dir, name, args...)
}

func (s *suite) in(dir, name string, args ...string) string {
	s.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, failures(string(out)))
	}
	return string(out)
}

// failures returns the lines that matter of a long output.
func failures(out string) string {
	var b strings.Builder
	for line := range strings.Lines(out) {
		matters := strings.Contains(line, "FAIL") || strings.Contains(line, "Error") || strings.Contains(line, "panic")
		if matters || len(out) < 4000 {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (s *suite) walk(folder string, do func(path string)) {
	s.Helper()
	err := fs.WalkDir(os.DirFS(s.dir), folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			do(path)
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) read(path string) string {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, path))
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

func (s *suite) write(path, text string) {
	s.Helper()
	path = filepath.Join(s.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Fatal(err)
	}
	_ = os.Chmod(path, 0o644) // Files of the module cache are read-only.
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
}

func (s *suite) edit(path string, change func(string) string) {
	s.Helper()
	s.write(path, change(s.read(path)))
}
