package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// lastRelease returns the newest version that HEAD contains, "" if there is none.
func (t tree) lastRelease(ctx context.Context) (string, error) {
	list, err := t.git(ctx, "tag", "--list", "v*", "--merged", "HEAD")
	tags := slices.DeleteFunc(strings.Fields(list), func(tag string) bool { return !semver.IsValid(tag) })
	if err != nil || len(tags) == 0 {
		return "", err
	}
	return slices.MaxFunc(tags, semver.Compare), nil
}

// compareAPI prints how the exported API differs from that of the last release, and fails
// for what version must not change. Without a version, that is what no next version may
// change that keeps the major one, and what CHANGELOG.md does not mention.
func (t tree) compareAPI(ctx context.Context, version string) error {
	last, err := t.lastRelease(ctx)
	if err != nil {
		return err
	}
	if last == "" {
		fmt.Println("api: there is no release yet to compare with")
		return nil
	}
	incompatible, err := t.apiDifference(ctx, last)
	if err != nil || incompatible == "" {
		return err
	}
	text, err := os.ReadFile(t.path("CHANGELOG.md"))
	if err != nil {
		return err
	}
	if reason := refusal(last, version, string(text)); reason != "" {
		return fmt.Errorf("incompatible changes since %s, %s:\n%s", last, reason, incompatible)
	}
	return nil
}

// refusal says why a version must not have incompatible changes, "" if it may.
func refusal(last, version, changelog string) string {
	switch {
	case semver.Compare(last, "v1.0.0") >= 0:
		return "which " + semver.Major(last) + " promises not to make"
	case version != "" && semver.MajorMinor(version) == semver.MajorMinor(last):
		return "which need a new minor version"
	}
	notes, _ := section(changelog, cmp.Or(version, "Unreleased"))
	if !strings.Contains(strings.ToLower(notes), "changed:") {
		return "of which CHANGELOG.md says nothing after \"Changed:\""
	}
	return ""
}

// apiDifference prints all differences of the published modules from a release, and returns
// those that break users.
func (t tree) apiDifference(ctx context.Context, last string) (incompatible string, err error) {
	temp, err := os.MkdirTemp("", "api")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	apidiff := filepath.Join(temp, "apidiff")
	tools := t.path("internal", "tools")
	if _, err := command(ctx, tools, nil, "go", "build", "-o", apidiff, "golang.org/x/exp/cmd/apidiff"); err != nil {
		return "", err
	}
	old := tree{filepath.Join(temp, "old")}
	if _, err := t.git(ctx, "worktree", "add", "--detach", old.root, last); err != nil {
		return "", err
	}
	defer func() {
		_, removed := t.git(context.WithoutCancel(ctx), "worktree", "remove", "--force", old.root)
		err = errors.Join(err, removed)
	}()
	for _, dir := range published {
		path := modulePath(dir)
		before, after := filepath.Join(temp, "before"), filepath.Join(temp, "after")
		for export, t := range map[string]tree{before: old, after: t} {
			if _, err := command(ctx, t.path(dir), nil, apidiff, "-m", "-w", export, path); err != nil {
				return "", err
			}
		}
		all, err := command(ctx, temp, nil, apidiff, "-m", before, after)
		if err != nil {
			return "", err
		}
		if all != "" {
			fmt.Printf("api: %s since %s\n%s\n", path, last, all)
		}
		breaking, err := command(ctx, temp, nil, apidiff, "-m", "-incompatible", before, after)
		if err != nil {
			return "", err
		}
		incompatible += breaking
	}
	return incompatible, nil
}
