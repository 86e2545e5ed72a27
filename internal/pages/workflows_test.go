package pages

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func workflows(t *testing.T) (files []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d workflows: %v", len(files), err)
	}
	for i, file := range files {
		if files[i], err = filepath.Rel(root, file); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

var (
	uses   = regexp.MustCompile(`(?m)^\s*(?:- )?uses: (\S+)@(.*)$`)
	pinned = regexp.MustCompile(`^[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
)

// Actions are pinned to commits, with their versions for people and Dependabot, and to one for
// each: a tag can be moved to other code.
func TestActionsArePinned(t *testing.T) {
	versions := map[string]string{}
	for _, file := range workflows(t) {
		for _, m := range uses.FindAllStringSubmatch(read(t, file), -1) {
			if !pinned.MatchString(m[2]) {
				t.Errorf("%s: %s@%s: write the commit, and its version as a comment", file, m[1], m[2])
			}
			if other := versions[m[1]]; other != "" && other != m[2] {
				t.Errorf("%s: %s@%s, elsewhere %s", file, m[1], m[2], other)
			}
			versions[m[1]] = m[2]
		}
	}
	if len(versions) < 3 {
		t.Errorf("only %d actions were found", len(versions))
	}
}

// .ci/run installs what is missing, which root can only.
func TestWorkflowsInstall(t *testing.T) {
	runs := 0
	for _, file := range workflows(t) {
		for line := range strings.Lines(read(t, file)) {
			if command, ok := strings.CutPrefix(strings.TrimSpace(line), "- run: "); ok && strings.Contains(command, ".ci/run") {
				runs++
				if !strings.HasPrefix(command, `sudo env "PATH=$PATH" .ci/run`) {
					t.Errorf("%s: %s", file, command)
				}
			}
		}
	}
	if runs < 4 {
		t.Errorf("only %d runs were found", runs)
	}
}

var (
	supported  = regexp.MustCompile(`\*\*Go\*\*: the two newest versions, (\S+) and (\S+)\. `)
	postgres   = regexp.MustCompile(`\*\*PostgreSQL\*\*: (\d+) to (\d+),`)
	goVersions = regexp.MustCompile(`go(?:-version)?: "([\d.]+)"`)
	matrix     = regexp.MustCompile(`version: \["(\d+)",.* "(\d+)"\]`)
)

// The versions that the README names are those that the workflows test.
func TestSupportedVersionsAreTested(t *testing.T) {
	readme := read(t, "README.md")
	want := supported.FindStringSubmatch(readme)
	if want == nil {
		t.Fatal("the README names no versions of Go")
	}
	var got []string
	for _, file := range workflows(t) {
		for _, m := range goVersions.FindAllStringSubmatch(read(t, file), -1) {
			got = append(got, m[1])
		}
	}
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want[1:]) {
		t.Errorf("the README names Go %q, the workflows %q", want[1:], got)
	}
	if !strings.Contains(read(t, "Makefile"), "NEXT := go"+want[2]+".") {
		t.Errorf("NEXT in the Makefile is not a version of Go %s", want[2])
	}
	if !strings.Contains(read(t, "go.mod"), "\ngo "+want[1]+".0\n") {
		t.Errorf("go.mod requires another version of Go than %s", want[1])
	}
	ci := matrix.FindStringSubmatch(read(t, ".github/workflows/ci.yml"))
	if named := postgres.FindStringSubmatch(readme); ci == nil || named == nil || !slices.Equal(ci[1:], named[1:]) {
		t.Errorf("the README names PostgreSQL %q, the workflow %q", named, ci)
	}
}

// Dependabot looks at every module, and at nothing else.
func TestDependabotNamesEveryModule(t *testing.T) {
	var named, modules []string
	for _, m := range regexp.MustCompile(`(?:"|- )(/[a-z_/]*)`).FindAllStringSubmatch(read(t, ".github/dependabot.yml"), -1) {
		named = append(named, m[1])
	}
	walk(t, func(file string) {
		if filepath.Base(file) == "go.mod" && !strings.Contains(file, "/testdata/") {
			modules = append(modules, strings.TrimSuffix("/"+strings.TrimSuffix(file, "go.mod"), "/"))
		}
	})
	for i, m := range modules {
		if m == "" {
			modules[i] = "/"
		}
	}
	slices.Sort(named)
	slices.Sort(modules)
	if !slices.Equal(named, modules) {
		t.Errorf(".github/dependabot.yml names\n%q, the modules are\n%q", named, modules)
	}
}

var requirements = regexp.MustCompile("`contrib` requires (\\S+) ([\\d.]+) and pgx ([\\d.]+)[,;]|needs Go ([\\d.]+) and pgx ([\\d.]+)\\.")

// The quick starts name the versions that go.mod files require: those of patch releases only where
// a minor version 0 makes them matter.
func TestQuickStartsNameVersions(t *testing.T) {
	contrib, library := read(t, "contrib/go.mod"), read(t, "go.mod")
	modules := map[string]string{
		"gqlgen":                   "github.com/99designs/gqlgen",
		"graph-gophers/graphql-go": "github.com/graph-gophers/graphql-go",
		"graphql-go/graphql":       "github.com/graphql-go/graphql",
	}
	requires := func(mod, path, version string) bool {
		return regexp.MustCompile(regexp.QuoteMeta(path+" v"+version) + `(\.\d+)?\n`).MatchString(mod)
	}
	pages := 0
	walk(t, func(page string) {
		if !strings.HasPrefix(page, "docs/quickstart/") {
			return
		}
		pages++
		m := requirements.FindStringSubmatch(read(t, page))
		switch {
		case m == nil:
			t.Errorf("%s does not name the versions that it needs", page)
		case m[1] != "" && !requires(contrib, modules[m[1]], m[2]), m[1] != "" && !requires(contrib, "github.com/jackc/pgx/v5", m[3]):
			t.Errorf("%s: %q is not what contrib/go.mod requires", page, m[0])
		case m[1] == "" && (!strings.Contains(library, "\ngo "+m[4]) || !requires(library, "github.com/jackc/pgx/v5", m[5])):
			t.Errorf("%s: %q is not what go.mod requires", page, m[0])
		}
	})
	if pages < 4 {
		t.Errorf("%d quick starts were found", pages)
	}
	if !strings.Contains(contrib, "github.com/99designs/gqlgen "+gqlgenVersion(t)+"\n") {
		t.Errorf("docs/quickstart/gqlgen.md starts with gqlgen %s, contrib requires another", gqlgenVersion(t))
	}
}

func gqlgenVersion(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`go get -tool github.com/99designs/gqlgen@(\S+)`).FindStringSubmatch(read(t, "docs/quickstart/gqlgen.md"))
	if m == nil {
		t.Fatal("docs/quickstart/gqlgen.md does not say how to start")
	}
	return m[1]
}
