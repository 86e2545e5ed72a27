package load

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// CodeVersion names the commit that is checked out, and says whether code was changed since: ""
// outside of a repository.
func CodeVersion(ctx context.Context) string {
	root, err := SourceRoot()
	if err != nil {
		return ""
	}
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = root
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "--short=10", "HEAD")
	if err != nil {
		return ""
	}
	if changed, err := git("status", "--porcelain", "--", "*.go", "*.s", "*.mod", "*.sql"); err != nil || changed != "" {
		commit += " with changes"
	}
	return commit
}

// BuiltWith returns the versions of modules that a server was built with.
func (l *Testbed) BuiltWith(server string, modules ...string) (versions []Version) {
	info, err := buildinfo.ReadFile(l.binaries[server])
	if err != nil {
		return nil
	}
	for _, dependency := range info.Deps {
		if slices.Contains(modules, dependency.Path) {
			versions = append(versions, Version{dependency.Path, dependency.Version})
		}
	}
	return versions
}

// NodePackages returns the packages that a folder of LaunchNode asks for. All of them are
// pinned.
func NodePackages(folder string) []Version {
	root, err := SourceRoot()
	if err != nil {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(root, folder, "package.json"))
	if err != nil {
		return nil
	}
	var wanted struct {
		Dependencies, OptionalDependencies map[string]string
	}
	if json.Unmarshal(text, &wanted) != nil {
		return nil
	}
	var versions []Version
	for _, name := range slices.Sorted(maps.Keys(wanted.Dependencies)) {
		versions = append(versions, Version{name, wanted.Dependencies[name]})
	}
	if node := wanted.OptionalDependencies[nodePackage()]; node != "" {
		versions = append(versions, Version{"node", node})
	}
	return versions
}
