package postgres

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// releases are builds of the supported versions that npm has: with them, tests run on
// versions that the machine's own packages do not offer.
var releases = map[int]string{14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 16: "16.14.0-beta.17",
	17: "17.10.0-beta.17", 18: "18.4.0-beta.17"}

// Releases lists the major versions that [Release] knows, the oldest first.
func Releases() []int { return slices.Sorted(maps.Keys(releases)) }

// ErrNoNPM is returned where there is no npm to download a release with.
var ErrNoNPM = errors.New("postgres: npm is not installed")

// Release downloads a build of a major version, unless it is in the cache, and returns its
// folder for [Options]. It has no contributed extensions.
func Release(ctx context.Context, major int) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	version, ok := releases[major]
	if !ok {
		return "", fmt.Errorf("postgres: there is no release of version %d", major)
	}
	root := filepath.Join(cache, "gqlboost", "postgres", "npm-"+version)
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return "", ErrNoNPM
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(filepath.Dir(root), "incomplete-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	name := fmt.Sprintf("@embedded-postgres/%s-%s@%s", runtime.GOOS, arch, version)
	out, err := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", work, name).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("postgres: npm pack %s: %w\n%s", name, err, out)
	}
	archives, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return "", errors.Join(fmt.Errorf("postgres: npm pack %s has made no archive", name), err)
	}
	install := filepath.Join(work, "install")
	if err := unpack(archives[0], install); err != nil {
		return "", fmt.Errorf("postgres: %s: %w", name, err)
	}
	if err := os.Rename(install, root); err != nil {
		if _, gone := os.Stat(root); gone != nil { // Nobody else has put it there either.
			return "", err
		}
	}
	return root, nil
}

// unpack extracts package/native of an npm archive. Archives of npm have no links: those
// of the build are in a list of their own.
func unpack(archive, to string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	const native = "package/native/"
	var links []struct{ Source, Target string }
	for r := tar.NewReader(z); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(header.Name, native)
		if !ok || header.Typeflag != tar.TypeReg || !filepath.IsLocal(name) {
			continue
		}
		if name == "pg-symlinks.json" {
			if err := json.NewDecoder(r).Decode(&links); err != nil {
				return err
			}
			continue
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "bin/") {
			mode = 0o755
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, r)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	for _, link := range links {
		source, target := strings.TrimPrefix(link.Source, "native/"), strings.TrimPrefix(link.Target, "native/")
		if !filepath.IsLocal(source) || !filepath.IsLocal(target) {
			return fmt.Errorf("link %s leads out of the build", link.Target)
		}
		relative, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return err
		}
		if err := os.Symlink(relative, filepath.Join(to, target)); err != nil {
			return err
		}
	}
	return nil
}
