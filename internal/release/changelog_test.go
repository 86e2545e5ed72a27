package main

import "testing"

func TestSection(t *testing.T) {
	const changelog = "# Changelog\n\n## Unreleased\n\n## v0.2.0 (2026-12-01)\n\n- Two.\n  ## no heading\n\n### More\n\n- Three.\n\n## v0.1.0\n- One.\n"
	for version, want := range map[string]string{
		"Unreleased": "",
		"v0.2.0":     "- Two.\n  ## no heading\n\n### More\n\n- Three.",
		"v0.1.0":     "- One.",
		"v0.2":       "",
		"v0.3.0":     "",
	} {
		if text, ok := section(changelog, version); text != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", version, text, ok)
		}
	}
}

func TestRefusal(t *testing.T) {
	const said, unsaid = "## Unreleased\n- Changed: a.\n## v0.3.0\n- `pool`: changed: b.\n", "## Unreleased\n- a.\n## v0.3.0\n- b.\n"
	for _, test := range []struct {
		last, version, changelog string
		allowed                  bool
	}{
		{"v0.2.0", "", said, true},
		{"v0.2.0", "", unsaid, false},
		{"v0.2.0", "v0.3.0", said, true},
		{"v0.2.0", "v0.3.0", unsaid, false},
		{"v0.2.0", "v0.2.1", said, false},
		{"v0.2.0", "v1.0.0", said, false}, // It has no section.
		{"v1.2.0", "v1.3.0", said, false},
		{"v1.2.0", "", said, false},
	} {
		if reason := refusal(test.last, test.version, test.changelog); (reason == "") != test.allowed {
			t.Errorf("%s after %s: %q", test.version, test.last, reason)
		}
	}
}
