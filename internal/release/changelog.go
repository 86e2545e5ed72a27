package main

import (
	"fmt"
	"os"
	"strings"
)

// notes returns what CHANGELOG.md says of a version.
func (t tree) notes(version string) (string, error) {
	text, err := os.ReadFile(t.path("CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	notes, ok := section(string(text), version)
	if !ok {
		return "", fmt.Errorf("CHANGELOG.md has no section %q with anything in it; rename \"## Unreleased\" to it",
			"## "+version)
	}
	return notes, nil
}

// section returns the text below the heading of a version, which may have its date behind it.
func section(changelog, version string) (text string, ok bool) {
	found := false
	var b strings.Builder
	for line := range strings.Lines(changelog) {
		if heading, is := strings.CutPrefix(line, "## "); is {
			if found {
				break
			}
			name, _, _ := strings.Cut(strings.TrimSpace(heading), " ")
			found = name == version
		} else if found {
			b.WriteString(line)
		}
	}
	text = strings.TrimSpace(b.String())
	return text, text != ""
}
