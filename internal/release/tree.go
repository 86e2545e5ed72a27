package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// library is the module at the root of the tree.
const library = "github.com/gqlboost/gqlboost"

// published are the folders of the modules that a release tags: those that somebody
// installs. They replace nothing. The other modules are built only from a checkout and
// replace these by the folders beside them.
//
// GitHub starts no workflow for tags when more than three of them are pushed at once: with a
// fourth module, prepare must print two pushes, the library's tag in the last one.
var published = []string{".", "contrib", "benchmarks/gate"}

// tree is a working tree of the repository.
type tree struct{ root string }

// openTree returns the working tree that contains dir.
func openTree(ctx context.Context, dir string) (tree, error) {
	root, err := tree{dir}.git(ctx, "rev-parse", "--show-toplevel")
	return tree{root}, err
}

// git runs git and returns what it prints, without the last line break.
func (t tree) git(ctx context.Context, args ...string) (string, error) {
	return command(ctx, t.root, nil, "git", args...)
}

// command returns what a command prints. Its error has what the command wrote to stderr.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), env...), &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSuffix(stdout.String(), "\n"), err
}

func (t tree) path(elements ...string) string {
	return filepath.Join(append([]string{t.root}, elements...)...)
}

// modulePath returns the import path of the module in a folder.
func modulePath(dir string) string { return path.Join(library, dir) }

// tag returns the tag by which the go command finds a version of the module in a folder.
func tag(dir, version string) string { return path.Join(dir, version) }

// goMod parses the go.mod file of a module.
func (t tree) goMod(dir string) (*modfile.File, error) {
	name := t.path(dir, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(name, text, nil)
}

// requirement returns the version of the library that the module in a folder requires, ""
// if it does not.
func requirement(f *modfile.File) string {
	for _, r := range f.Require {
		if r.Mod.Path == library {
			return r.Mod.Version
		}
	}
	return ""
}

// version returns the version that the tree has as far as its modules know: the one of the
// library that contrib requires.
func (t tree) version() (string, error) {
	f, err := t.goMod("contrib")
	if err != nil {
		return "", err
	}
	version := requirement(f)
	if version == "" {
		return "", errors.New("contrib does not require the library")
	}
	return version, nil
}

// nested returns the folders of all modules below the root.
func (t tree) nested(ctx context.Context) ([]string, error) {
	list, err := t.git(ctx, "ls-files", "--cached", "--others", "--exclude-standard", "*/go.mod")
	var dirs []string
	for file := range strings.FieldsSeq(list) {
		if !strings.Contains(file, "/testdata/") {
			dirs = append(dirs, path.Dir(file))
		}
	}
	return dirs, err
}

// file is a file of a module, as the zip package wants it.
type file struct {
	name string // in the module
	from string // in the file system
}

func (f file) Path() string                 { return f.name }
func (f file) Lstat() (fs.FileInfo, error)  { return os.Lstat(f.from) }
func (f file) Open() (io.ReadCloser, error) { return os.Open(f.from) }

// archive writes the zip file of a module that the go command would make of a commit of the
// working tree as it is, without what git ignores.
func (t tree) archive(ctx context.Context, w io.Writer, dir, version string) error {
	list, err := t.git(ctx, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", dir)
	if err != nil {
		return err
	}
	var files []zip.File
	licensed := false
	for name := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		f := file{name: strings.TrimPrefix(name, path.Clean(dir)+"/"), from: t.path(name)}
		if _, err := f.Lstat(); errors.Is(err, fs.ErrNotExist) {
			continue // It is deleted, and git has not been told yet.
		}
		licensed = licensed || f.name == "LICENSE"
		files = append(files, f)
	}
	if !licensed { // The go command takes the license of the whole tree then.
		files = append(files, file{name: "LICENSE", from: t.path("LICENSE")})
	}
	return zip.Create(w, module.Version{Path: modulePath(dir), Version: version}, files)
}
