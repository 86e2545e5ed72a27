package load

import (
	"debug/buildinfo"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

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
