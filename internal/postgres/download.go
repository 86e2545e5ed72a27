package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// download returns the root folder (bin, lib, share) of an embedded build. The
// library that fetches it is not our dependency: it lives in the nested
// module fetch, which this runs, so that the root go.mod stays short.
func download(ctx context.Context) (string, error) {
	_, here, _, ok := runtime.Caller(0)
	source := filepath.Join(filepath.Dir(here), "fetch")
	if _, err := os.Stat(source); !ok || err != nil {
		return "", errors.New("the source of the downloader is not on this machine")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "run", "-C", source, ".", filepath.Join(cache, "gqlboost", "postgres"))
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
