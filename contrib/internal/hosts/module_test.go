package hosts

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// edit replaces a text that a file of a module has once.
type edit struct{ file, from, to string }

// difference is a test that fails with our blocks. Its output has text, so that it may
// fail for no other cause.
type difference struct{ test, text, reason string }

// module is another module with some of its code replaced.
type module struct {
	path  string // import path
	dir   string
	gomod string // the go.mod file by which its tests are built
	from  string // the directory from which they are run
	env   []string
}

// newModule makes a copy of a module from the module cache, whose own files the go
// command lets nobody replace. Its tests have the requirements of this module.
func newModule(t *testing.T, importPath string, edits []edit) *module {
	t.Helper()
	m := copied(t, importPath, moduleDir(t, importPath))
	for _, e := range edits {
		file := filepath.Join(m.dir, e.file)
		text := read(t, file)
		if n := strings.Count(text, e.from); n != 1 {
			t.Fatalf("%s has %q %d times, not once: is this another version?", e.file, e.from, n)
		}
		write(t, file, strings.Replace(text, e.from, e.to, 1))
	}
	m.from, m.gomod = ".", m.requirements(t, "replaced.mod", "-replace="+importPath+"="+m.dir)
	return m
}

// newHost makes a copy of a server that gqlgen has generated, and generates it again by the
// version of gqlgen that is tested.
func newHost(t *testing.T, h host) *module {
	t.Helper()
	m := copied(t, h.path, h.source)
	if h.leave != "" {
		if err := os.RemoveAll(filepath.Join(m.dir, h.leave)); err != nil {
			t.Fatal(err)
		}
	}
	m.from = m.dir
	m.env = append(os.Environ(), "GOFLAGS=-mod=mod") // Its own requirements are some of ours.
	m.gomod = m.requirements(t, "module/go.mod", "-module="+h.path, "-droprequire="+h.path)
	gqlgen := exec.CommandContext(t.Context(), "go", "tool", "gqlgen", "generate")
	gqlgen.Dir, gqlgen.Env = filepath.Join(m.dir, h.generate), m.env
	if out, err := gqlgen.CombinedOutput(); err != nil {
		t.Fatalf("gqlgen generate: %v: %s", err, out)
	}
	return m
}

// using returns the host with another module in place of one that it requires.
func (m *module) using(t *testing.T, other *module) *module {
	t.Helper()
	n := *m
	n.gomod = m.requirements(t, "replaced.mod",
		"-module="+m.path, "-droprequire="+m.path, "-replace="+other.path+"="+other.dir)
	return &n
}

func moduleDir(t *testing.T, importPath string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "go", "list", "-m", "-f", "{{.Dir}}", importPath))
}

func copied(t *testing.T, importPath, from string) *module {
	t.Helper()
	m := &module{path: importPath, dir: filepath.Join(t.TempDir(), "module")}
	if err := os.CopyFS(m.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return m
}

// requirements writes a go.mod file, and its go.sum, with what this module requires,
// edited, and returns its path.
func (m *module) requirements(t *testing.T, name string, edits ...string) string {
	t.Helper()
	gomod := filepath.Join(filepath.Dir(m.dir), name)
	write(t, gomod, read(t, "go.mod"))
	write(t, strings.TrimSuffix(gomod, ".mod")+".sum", read(t, "go.sum"))
	for _, own := range []string{"", "/contrib"} {
		// A relative path is relative to the file.
		dir, err := filepath.Abs("../../.." + own)
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, "-replace=github.com/gqlboost/gqlboost"+own+"="+dir)
	}
	run(t, "go", append(append([]string{"mod", "edit"}, edits...), gomod)...)
	return gomod
}

// add adds a file to the module.
func (m *module) add(t *testing.T, from, to string) {
	t.Helper()
	write(t, filepath.Join(m.dir, to), read(t, from))
}

// event is one of go test -json.
type event struct{ Action, Package, ImportPath, Test, Output string }

// test runs packages' tests. Those that fail must be the differences.
func (m *module) test(t *testing.T, differences []difference, packages ...string) {
	t.Helper()
	failed := m.failures(t, packages...)
	for name, output := range failed {
		if i := slices.IndexFunc(differences, func(d difference) bool { return d.test == name }); i < 0 {
			t.Errorf("%s:\n%s", name, output)
		} else if !strings.Contains(output, differences[i].text) {
			t.Errorf("%s fails without %q:\n%s", name, differences[i].text, output)
		}
	}
	for _, d := range differences {
		if _, ok := failed[d.test]; !ok {
			t.Errorf("%s passes: it is no difference any more", d.test)
		}
	}
}

// attempts is how often a test that fails is run again, alone. Some depend on an idle machine,
// or on who is first of a server and a client that both close.
const attempts = 5

// failures returns the outputs of tests that fail whenever they run.
func (m *module) failures(t *testing.T, packages ...string) map[string]string {
	t.Helper()
	var paths []string
	for _, p := range packages {
		paths = append(paths, path.Join(m.path, p))
	}
	failed, _ := m.run(t, paths...)
	for name := range failed {
		p, test, _ := strings.Cut(name, " ")
		for range attempts {
			again, passed := m.run(t, "-run", exactly(test), path.Join(m.path, p))
			if passed > 0 && again[name] == "" {
				delete(failed, name)
				break
			}
		}
	}
	return failed
}

// exactly returns the pattern of one test.
func exactly(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// run runs go test, and returns the output of each test that failed, without tests that
// failed because of these, and how many passed.
func (m *module) run(t *testing.T, args ...string) (failed map[string]string, passed int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"test", "-json", "-vet=off", "-modfile=" + m.gomod}, args...)...)
	cmd.Dir, cmd.Env = m.from, m.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	outputs, fails := map[string]string{}, map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			t.Fatalf("%s\n%s", lines.Text(), stderr.String())
		}
		name := strings.TrimPrefix(strings.TrimPrefix(e.Package+e.ImportPath, m.path), "/") + " " + e.Test
		switch {
		case strings.HasSuffix(e.Action, "output"):
			outputs[name] += e.Output
		case e.Action == "fail" || e.Action == "build-fail":
			fails[name] = true
		case e.Action == "pass" && e.Test != "":
			passed++
		}
	}
	if passed == 0 && len(fails) == 0 {
		t.Fatalf("no tests have run: %v\n%s\n%s", err, stderr.String(), outputs)
	}
	failed = map[string]string{}
	for name := range fails {
		if !causedByAnother(name, fails) {
			failed[name] = outputs[name]
		}
	}
	return failed, passed
}

// causedByAnother reports whether a test or a package fails because of a test in it.
func causedByAnother(name string, fails map[string]bool) bool {
	within := strings.TrimSuffix(name, " ") + "/"
	if strings.HasSuffix(name, " ") {
		within = name
	}
	for other := range fails {
		if other != name && strings.HasPrefix(other, within) {
			return true
		}
	}
	return false
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, stderr.String())
	}
	return string(out)
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
