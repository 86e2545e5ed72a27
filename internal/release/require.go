package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/sumdb/dirhash"
)

// requireVersion makes all nested modules require a version of the published ones, and adds the
// library's checksums to those that do not replace it.
//
// The checksums are known before the version exists, because the library's archive has no
// nested module in it: one commit has them and is what they are of.
func (t tree) requireVersion(ctx context.Context, version string) error {
	dirs, err := t.nested(ctx)
	if err != nil {
		return err
	}
	sums, err := t.checksums(ctx, version)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		f, err := t.goMod(dir)
		if err != nil {
			return err
		}
		for _, folder := range published {
			if slices.ContainsFunc(f.Require, func(r *modfile.Require) bool { return r.Mod.Path == modulePath(folder) }) {
				if err := f.AddRequire(modulePath(folder), version); err != nil {
					return err
				}
			}
		}
		if err := t.writeGoMod(dir, f); err != nil {
			return err
		}
		if requirement(f) == "" || replaces(f) {
			continue
		}
		goSum, err := os.ReadFile(t.path(dir, "go.sum"))
		if err != nil {
			return err
		}
		_, others := splitSums(string(goSum))
		if err := os.WriteFile(t.path(dir, "go.sum"), []byte(joinSums(sums, others)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (t tree) writeGoMod(dir string, f *modfile.File) error {
	text, err := f.Format()
	if err != nil {
		return err
	}
	return os.WriteFile(t.path(dir, "go.mod"), text, 0o644)
}

// replaces reports whether a module takes the library from a folder.
func replaces(f *modfile.File) bool {
	return slices.ContainsFunc(f.Replace, func(r *modfile.Replace) bool { return r.Old.Path == library })
}

// checksums returns the lines of go.sum files for the library as it is in the tree.
func (t tree) checksums(ctx context.Context, version string) (lines string, err error) {
	archive, err := os.CreateTemp("", "library-*.zip")
	if err != nil {
		return "", err
	}
	defer os.Remove(archive.Name())
	if err := errors.Join(t.archive(ctx, archive, ".", version), archive.Close()); err != nil {
		return "", err
	}
	whole, err := dirhash.HashZip(archive.Name(), dirhash.DefaultHash)
	if err != nil {
		return "", err
	}
	goMod, err := dirhash.DefaultHash([]string{"go.mod"}, func(name string) (io.ReadCloser, error) {
		return os.Open(t.path(name))
	})
	return library + " " + version + " " + whole + "\n" + library + " " + version + "/go.mod " + goMod + "\n", err
}

// splitSums divides the lines of a go.sum file into the library's own and the others.
func splitSums(text string) (own, others string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, library+" ") {
			own += line
		} else {
			others += line
		}
	}
	return own, others
}

// joinSums puts the library's lines where the go command does, in the order of module paths.
func joinSums(own, others string) string {
	end := 0
	for line := range strings.Lines(others) {
		if name, _, _ := strings.Cut(line, " "); name > library {
			break
		}
		end += len(line)
	}
	return others[:end] + own + others[end:]
}

// tidy runs go mod tidy for a module. The go command has no way to tidy a module that
// requires another one of the tree: it ignores workspaces. So it gets a go.mod file with
// the library replaced.
func (t tree) tidy(ctx context.Context, dir string, diff bool) error {
	f, err := t.goMod(dir)
	if err != nil {
		return err
	}
	args := []string{"mod", "tidy"}
	if diff {
		args = append(args, "-diff")
	}
	alone := []string{"GOWORK=off"}
	if requirement(f) == "" || replaces(f) {
		return show(command(ctx, t.path(dir), alone, "go", args...))
	}
	temp, err := os.MkdirTemp("", "tidy")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	goSum, err := os.ReadFile(t.path(dir, "go.sum"))
	if err != nil {
		return err
	}
	own, others := splitSums(string(goSum))
	if err := f.AddReplace(library, "", t.root, ""); err != nil {
		return err
	}
	text, err := f.Format()
	if err != nil {
		return err
	}
	goMod := filepath.Join(temp, "go.mod")
	if err := errors.Join(
		os.WriteFile(goMod, text, 0o644),
		os.WriteFile(filepath.Join(temp, "go.sum"), []byte(others), 0o644),
	); err != nil {
		return err
	}
	if err := show(command(ctx, t.path(dir), alone, "go", append(args, "-modfile="+goMod)...)); err != nil || diff {
		return err
	}
	text, err = os.ReadFile(goMod)
	if err != nil {
		return err
	}
	if f, err = modfile.Parse(goMod, text, nil); err != nil {
		return err
	}
	if err := f.DropReplace(library, ""); err != nil {
		return err
	}
	f.Cleanup()
	goSum, err = os.ReadFile(filepath.Join(temp, "go.sum"))
	if err != nil {
		return err
	}
	return errors.Join(
		t.writeGoMod(dir, f),
		os.WriteFile(t.path(dir, "go.sum"), []byte(joinSums(own, string(goSum))), 0o644),
	)
}

// show prints the output of a command and returns its error.
func show(output string, err error) error {
	if output != "" {
		_, printed := os.Stdout.WriteString(output + "\n")
		err = errors.Join(err, printed)
	}
	return err
}
