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
	gomod string // of this module, with the other one replaced
}

// newModule makes a copy of a module from the module cache, whose own files the go
// command lets nobody replace.
func newModule(t *testing.T, importPath string, edits []edit) *module {
	t.Helper()
	root := t.TempDir()
	m := &module{importPath, filepath.Join(root, "module"), filepath.Join(root, "go.mod")}
	from := strings.TrimSpace(run(t, "go", "list", "-m", "-f", "{{.Dir}}", importPath))
	if err := os.CopyFS(m.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		file := filepath.Join(m.dir, e.file)
		text := read(t, file)
		if n := strings.Count(text, e.from); n != 1 {
			t.Fatalf("%s has %q %d times, not once: is this another version?", e.file, e.from, n)
		}
		write(t, file, strings.Replace(text, e.from, e.to, 1))
	}
	write(t, filepath.Join(root, "go.sum"), read(t, "go.sum"))
	write(t, m.gomod, read(t, "go.mod"))
	run(t, "go", "mod", "edit", "-replace="+importPath+"="+m.dir, m.gomod)
	for _, own := range []string{"", "/contrib"} {
		// A relative path is relative to the file.
		dir, err := filepath.Abs("../../.." + own)
		if err != nil {
			t.Fatal(err)
		}
		run(t, "go", "mod", "edit", "-replace=github.com/gqlboost/gqlboost"+own+"="+dir, m.gomod)
	}
	return m
}

// add adds a file to the module.
func (m *module) add(t *testing.T, from, to string) {
	t.Helper()
	write(t, filepath.Join(m.dir, to), read(t, from))
}

// event is one of go test -json.
type event struct{ Action, Package, ImportPath, Test, Output string }

// test runs packages' tests. Those that fail must be the differences. One that does not
// fail when it runs alone depends on an idle machine.
func (m *module) test(t *testing.T, differences []difference, packages ...string) {
	t.Helper()
	for i, p := range packages {
		packages[i] = path.Join(m.path, p)
	}
	failed, _ := m.run(t, packages...)
	for name, output := range failed {
		i := slices.IndexFunc(differences, func(d difference) bool { return d.test == name })
		if i >= 0 {
			if !strings.Contains(output, differences[i].text) {
				t.Errorf("%s fails without %q:\n%s", name, differences[i].text, output)
			}
			continue
		}
		p, test, _ := strings.Cut(name, " ")
		if again, passed := m.run(t, "-run", exactly(test), path.Join(m.path, p)); passed == 0 || again[name] != "" {
			t.Errorf("%s:\n%s", name, output)
		}
	}
	for _, d := range differences {
		if _, ok := failed[d.test]; !ok {
			t.Errorf("%s passes: it is no difference any more", d.test)
		}
	}
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
