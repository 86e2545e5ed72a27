package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

const oldest = 14 // The oldest major version that the library supports.

// places are where packages put the server's binaries.
var places = []string{
	"/usr/lib/postgresql/*/bin",                       // Debian, Ubuntu, Alpine
	"/usr/libexec/postgresql*",                        // Alpine
	"/usr/pgsql-*/bin",                                // PGDG on Fedora, RHEL
	"/usr/bin",                                        // Fedora, Arch
	"/usr/local/pgsql/bin",                            // built from source
	"/opt/homebrew/opt/postgresql@*/bin",              // Homebrew, Apple silicon
	"/usr/local/opt/postgresql@*/bin",                 // Homebrew, Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin", // Homebrew, Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// EnvMajor names the environment variable with the major version that private servers have,
// such as 16, where it is not to be the newest one of the machine.
const EnvMajor = "GQLBOOST_POSTGRES"

// binaries returns the folder of the newest usable installation, or of the one that
// EnvMajor asks for, downloading one when there is none. dir is the server's own folder: a downloaded build is
// copied into it when the account that runs the server could not read the cache.
func binaries(ctx context.Context, dir string, owner *account) (string, error) {
	wanted, err := wantedMajor()
	if err != nil {
		return "", err
	}
	if bin := installed(ctx, candidates(), wanted); bin != "" {
		return bin, nil
	}
	if err := ctx.Err(); err != nil { // Nothing was found because nothing could be asked.
		return "", fmt.Errorf("postgres: %w", err)
	}
	if wanted != 0 {
		root, err := Release(ctx, wanted)
		if err != nil {
			return "", fmt.Errorf("%s=%d: %w", EnvMajor, wanted, err)
		}
		return readable(dir, root, owner)
	}
	root, err := download(ctx)
	if err != nil {
		return "", fmt.Errorf("postgres: no PostgreSQL >= %d on this machine, and none could be downloaded: %w\n"+
			"Install it (Debian: apt-get install postgresql postgresql-contrib; Fedora: dnf install postgresql-server "+
			"postgresql-contrib; macOS: brew install postgresql@17) "+
			"or set %s to the DSN of an existing server", oldest, err, EnvDSN)
	}
	return readable(dir, root, owner)
}

// wantedMajor returns the version of EnvMajor, 0 if any will do.
func wantedMajor() (int, error) {
	text := os.Getenv(EnvMajor)
	if text == "" {
		return 0, nil
	}
	wanted, err := strconv.Atoi(text)
	if err != nil || wanted < oldest {
		return 0, fmt.Errorf("postgres: %s=%q is no major version from %d on", EnvMajor, text, oldest)
	}
	return wanted, nil
}

// readable returns the binaries of an installation, which it copies into the server's own
// folder if another account is to run them, which may not see the cache.
func readable(dir, root string, owner *account) (string, error) {
	if owner.isOther() {
		private := filepath.Join(dir, "install")
		if err := os.CopyFS(private, os.DirFS(root)); err != nil {
			return "", fmt.Errorf("postgres: %w", err)
		}
		root = private
	}
	return filepath.Join(root, "bin"), nil
}

func candidates() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, place := range places {
		matches, _ := filepath.Glob(place)
		dirs = append(dirs, matches...)
	}
	return dirs
}

// installed picks the newest version among dirs, or the wanted one unless that is 0; "" if
// none will do.
func installed(ctx context.Context, dirs []string, wanted int) (best string) {
	newest := oldest - 1
	for _, dir := range dirs {
		if version, err := major(ctx, dir); err == nil && version > newest && (wanted == 0 || version == wanted) {
			best, newest = dir, version
		}
	}
	return best
}

var versionOutput = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// major asks the binaries in dir for their major version.
func major(ctx context.Context, dir string) (int, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0, err
	}
	output, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0, err
	}
	match := versionOutput.FindSubmatch(output)
	if match == nil {
		return 0, errors.New("postgres: --version printed " + string(output))
	}
	return strconv.Atoi(string(match[1]))
}
