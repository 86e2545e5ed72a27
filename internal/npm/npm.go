// Package npm gets what tests run in Node.js.
package npm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Install makes sure that the packages of a directory are there, in the versions of its lock
// file. In CI it is a failure if they cannot be, elsewhere the test is skipped. -short skips
// it everywhere.
func Install(t testing.TB, dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("Node.js takes seconds to start, and gets the same bytes from every build")
	}
	missing := t.Skipf
	if os.Getenv("CI") != "" {
		missing = t.Fatalf
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			missing("%s is missing: install Node.js 20 or later with npm (Debian's packages nodejs and npm)", program)
		}
	}
	want, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := filepath.Join(dir, "node_modules", ".installed-lock.json")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, want) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if output, err := npm.CombinedOutput(); err != nil {
		missing("npm ci in %s: %v: it needs the npm registry\n%s", dir, err, output)
	}
	if err := os.WriteFile(stamp, want, 0o644); err != nil {
		t.Fatal(err)
	}
}
