// Package npm gets what tests and benchmarks run in Node.js.
package npm

import (
	"bytes"
	"context"
	"fmt"
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
	if err := Ensure(t.Context(), dir); err != nil {
		missing("%v", err)
	}
}

// Ensure makes sure that the packages of a directory are there, in the versions of its lock
// file. It says what is missing if they cannot be.
func Ensure(ctx context.Context, dir string) error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is missing: install Node.js 20 or later with npm (Debian's packages nodejs and npm)", program)
		}
	}
	want, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	stamp := filepath.Join(dir, "node_modules", ".installed-lock.json")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, want) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if output, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w: it needs the npm registry\n%s", dir, err, output)
	}
	return os.WriteFile(stamp, want, 0o644)
}
