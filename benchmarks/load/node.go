package load

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gqlboost/gqlboost/internal/npm"
)

// LaunchNode starts the Node.js server of a folder, given from the root of the repository,
// on all cores. Its packages are installed in the versions of its lock file first, among
// them Node.js itself where there is a build of it.
func (l *Testbed) LaunchNode(ctx context.Context, folder, label string) (*Server, error) {
	root, err := SourceRoot()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, folder)
	if err := npm.Ensure(ctx, dir); err != nil {
		return nil, err
	}
	node, err := nodeIn(ctx, dir)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(node, append([]string{"server.mjs"}, serverArgs(l.Postgres.DSN())...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NODE_ENV=production", "GRAPHILE_ENV=production")
	s, err := launch(ctx, label, l.Postgres.DSN(), cmd)
	if err != nil {
		return nil, err
	}
	s.Workers, s.PostgresPID = true, l.Postgres.PID()
	return s, nil
}

// oldestNode is the version of Node.js that the peers need.
const oldestNode = 22

// nodePackage names the package that is Node.js itself for this platform, if there is one.
func nodePackage() string {
	return "node-" + runtime.GOOS + "-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
}

// nodeIn returns the Node.js of a folder's packages, or the machine's if it is new enough.
func nodeIn(ctx context.Context, dir string) (string, error) {
	own := filepath.Join(dir, "node_modules", nodePackage(), "bin", "node")
	if _, err := os.Stat(own); err == nil {
		return own, nil
	}
	output, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("load: Node.js is missing: %w", err)
	}
	var major int
	if _, err := fmt.Sscanf(string(output), "v%d.", &major); err != nil || major < oldestNode {
		return "", fmt.Errorf("load: Node.js %d or later is needed, not %s", oldestNode, strings.TrimSpace(string(output)))
	}
	return "node", nil
}
