// Command fetch downloads an embedded PostgreSQL build into a cache folder,
// unless it is there already, and prints the folder that holds its bin.
//
// It is a module of its own so that nobody who uses the library depends on the
// downloader. EMBEDDED_POSTGRES_REPOSITORY names another Maven repository to
// download from, such as a company's mirror.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	embedded "github.com/fergusstrange/embedded-postgres"
)

const version = embedded.V17

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: fetch <cache folder>")
		os.Exit(2)
	}
	root, err := fetch(os.Args[1], os.Getenv("EMBEDDED_POSTGRES_REPOSITORY"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(root)
}

// fetch returns the folder of the build. A folder appears under its final name
// only when it is whole, so that two processes may fetch at the same time.
func fetch(cache, repository string) (string, error) {
	root := filepath.Join(cache, string(version))
	if complete(root) {
		return root, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "incomplete-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	install := filepath.Join(work, "install")
	if err := extract(work, install, repository); err != nil {
		return "", err
	}
	if err := os.Rename(install, root); err != nil && !complete(root) {
		return "", err
	}
	return root, nil
}

// extract makes the library put its build into install. The library knows no
// download alone: Start also boots a server, which fails for root and proves
// nothing that our own start does not. What counts is what it has extracted.
func extract(work, install, repository string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	config := embedded.DefaultConfig().Version(version).Port(port).Logger(io.Discard).
		CachePath(filepath.Join(work, "archive")).RuntimePath(filepath.Join(work, "run")).BinariesPath(install)
	if repository != "" {
		config = config.BinaryRepositoryURL(repository)
	}
	server := embedded.NewDatabase(config)
	startErr := server.Start()
	if startErr == nil {
		if err := server.Stop(); err != nil {
			return err
		}
	}
	if !complete(install) {
		return errors.Join(errors.New("PostgreSQL could not be downloaded"), startErr)
	}
	return nil
}

func complete(root string) bool {
	for _, program := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(root, "bin", program)); err != nil {
			return false
		}
	}
	return true
}

func freePort() (uint32, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return uint32(l.Addr().(*net.TCPAddr).Port), nil
}
