package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newRepository makes a repository of its own whose only commit is the working tree.
func newRepository(t *testing.T) tree {
	t.Helper()
	source, err := openTree(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	list, err := source.git(t.Context(), "ls-files", "--cached", "--others", "--exclude-standard")
	if err != nil {
		t.Fatal(err)
	}
	repository := tree{filepath.Join(t.TempDir(), "repository")}
	for name := range strings.Lines(list) {
		name = strings.TrimSpace(name)
		text, err := os.ReadFile(source.path(name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, repository.path(name), string(text))
	}
	repository.mustGit(t, "init", "--quiet", "--initial-branch=main")
	repository.mustGit(t, "config", "user.name", "A. Maintainer")
	repository.mustGit(t, "config", "user.email", "maintainer@example.com")
	repository.commit(t)
	return repository
}

func (t tree) mustGit(test *testing.T, args ...string) string {
	test.Helper()
	out, err := t.git(test.Context(), args...)
	if err != nil {
		test.Fatal(err)
	}
	return out
}

func (t tree) commit(test *testing.T) {
	test.Helper()
	t.mustGit(test, "add", "--all")
	t.mustGit(test, "commit", "--quiet", "--message", "Change something")
}

// refuses checks that a version is not released, for a reason, and that nothing is changed.
func (t tree) refuses(test *testing.T, version, reason string) {
	test.Helper()
	before := t.mustGit(test, "show-ref") + t.mustGit(test, "status", "--porcelain")
	err := t.prepare(test.Context(), version)
	if err == nil || !strings.Contains(err.Error(), reason) {
		test.Errorf("%s: got %v, want an error with %q", version, err, reason)
	}
	if after := t.mustGit(test, "show-ref") + t.mustGit(test, "status", "--porcelain"); after != before {
		test.Errorf("%s was refused and has changed the repository:\n%s\n%s", version, before, after)
	}
}

// A release is one commit with all tags, and the go command itself says that the
// checksums in it are right. The next one must not break what it has promised.
func TestPrepare(t *testing.T) {
	if os.Getenv("GQLBOOST_INSTALL") == "" {
		t.Skip("GQLBOOST_INSTALL is not set; make install-test does")
	}
	r := newRepository(t)
	r.refuses(t, "0.9.0", "is no version")
	r.refuses(t, "v2.0.0", "/v2")
	r.refuses(t, "v0.9.0", "CHANGELOG.md has no section")
	write(t, r.path("CHANGELOG.md"), "# Changelog\n\n## v0.9.0 (2026-12-01)\n\n- All.\n")
	write(t, r.path("arena", "extra.go"), "package arena\n\n// Extra is only in the first release.\nfunc Extra() {}\n")
	r.refuses(t, "v0.9.0", "not committed")
	r.commit(t)
	r.mustGit(t, "tag", "contrib/v0.9.0")
	r.refuses(t, "v0.9.0", "contrib/v0.9.0 exists")
	r.mustGit(t, "tag", "--delete", "contrib/v0.9.0")

	if err := r.prepare(t.Context(), "v0.9.0"); err != nil {
		t.Fatal(err)
	}
	head := r.mustGit(t, "rev-parse", "HEAD")
	for _, tag := range []string{"v0.9.0", "contrib/v0.9.0", "benchmarks/gate/v0.9.0"} {
		if commit := r.mustGit(t, "rev-parse", tag+"^{commit}"); commit != head {
			t.Errorf("%s is at %s, not at %s", tag, commit, head)
		}
	}
	if changed := r.mustGit(t, "status", "--porcelain"); changed != "" {
		t.Errorf("left: %s", changed)
	}
	checkDownloads(t, r)

	r.refuses(t, "v0.9.0", "not after the last release")
	write(t, r.path("CHANGELOG.md"), "# Changelog\n\n## v0.9.1\n\n- Changed: nothing.\n\n## v0.10.0\n\n- Changed: `arena.Extra` is gone.\n")
	r.mustGit(t, "rm", "--quiet", "arena/extra.go")
	r.commit(t)
	r.refuses(t, "v0.9.1", "Extra: removed")
	if err := r.prepare(t.Context(), "v0.10.0"); err != nil {
		t.Fatal(err)
	}
}

// checkDownloads lets the go command fetch the release from the repository, as if that was
// where the modules live.
func checkDownloads(t *testing.T, r tree) {
	t.Helper()
	o := newOutside(t)
	env := append(o.env,
		"GOPRIVATE="+library, // from the repository, without a proxy
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url."+fileURL(r.root)+".insteadOf", "GIT_CONFIG_VALUE_0=https://"+library,
	)
	text := ""
	for _, dir := range published {
		out, err := command(t.Context(), o.temp, env, "go", "mod", "download", "-json", modulePath(dir)+"@v0.9.0")
		if err != nil {
			t.Fatal(err)
		}
		if dir == "." {
			text = out
		}
	}
	var downloaded struct{ Sum, GoModSum string }
	if err := json.Unmarshal([]byte(text), &downloaded); err != nil {
		t.Fatal(err)
	}
	goSum := read(t, r.path("contrib", "go.sum"))
	for _, line := range []string{" v0.9.0 " + downloaded.Sum, " v0.9.0/go.mod " + downloaded.GoModSum} {
		if strings.Count(goSum, library+line+"\n") != 1 {
			t.Errorf("contrib/go.sum does not have %q", line)
		}
	}
	// Without the workspace, contrib is built with the released library and its checksums.
	env = append(env, "GOFLAGS=-modcacherw -trimpath -mod=readonly")
	if _, err := command(t.Context(), r.path("contrib"), env, "go", "build", "./prom", "./pgnotify"); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{"contrib", "examples", "contrib/internal/hosts"} {
		if err := r.tidy(t.Context(), dir, true); err != nil {
			t.Errorf("%s is not tidy: %v", dir, err)
		}
	}
}
