package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/semver"
)

// prepare makes a release of what is in the tree: it checks that it may be one, writes the
// version and the checksums into the nested modules, commits, and tags all published modules.
// It pushes nothing.
func (t tree) prepare(ctx context.Context, version string) error {
	if err := t.releasable(ctx, version); err != nil {
		return err
	}
	if err := t.compareAPI(ctx, version); err != nil {
		return err
	}
	if err := t.requireVersion(ctx, version); err != nil {
		return err
	}
	changed, err := t.git(ctx, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		if _, err := t.git(ctx, "commit", "--all", "--quiet", "--message", "Release "+version); err != nil {
			return err
		}
	}
	push := "git push --atomic origin HEAD"
	for _, dir := range published {
		tag := tag(dir, version)
		if _, err := t.git(ctx, "tag", "--annotate", "--message", modulePath(dir)+" "+version, tag); err != nil {
			return err
		}
		push += " " + tag
	}
	fmt.Printf("release: %s is committed and tagged. To publish it:\n\n\t%s\n", version, push)
	return nil
}

// releasable returns an error if the tree must not become a version.
func (t tree) releasable(ctx context.Context, version string) error {
	if !semver.IsValid(version) || semver.Canonical(version) != version {
		return fmt.Errorf("%q is no version such as v0.2.0", version)
	}
	if semver.Compare(version, "v2.0.0") >= 0 {
		return errors.New("a module from v2 on needs /v2 in its path")
	}
	changed, err := t.git(ctx, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		return fmt.Errorf("these files are not committed:\n%s", changed)
	}
	last, err := t.lastRelease(ctx)
	if err != nil {
		return err
	}
	if last != "" && semver.Compare(version, last) <= 0 {
		return fmt.Errorf("%s is not after the last release, %s", version, last)
	}
	for _, dir := range published {
		taken, err := t.git(ctx, "tag", "--list", tag(dir, version))
		if err != nil {
			return err
		}
		if taken != "" {
			return fmt.Errorf("the tag %s exists", strings.TrimSpace(taken))
		}
	}
	_, err = t.notes(version)
	return err
}
