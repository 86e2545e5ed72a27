package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is in the tree can be installed by somebody who does not have it, and runs there.
func TestInstall(t *testing.T) {
	if os.Getenv("GQLBOOST_INSTALL") == "" {
		t.Skip("GQLBOOST_INSTALL is not set; make install-test does")
	}
	o := newOutside(t)
	o.serve(t)
	t.Run("parallel", func(t *testing.T) {
		programs, err := filepath.Glob("testdata/programs/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range programs {
			t.Run(file, func(t *testing.T) {
				t.Parallel()
				o.program(t, o.module(t, map[string]string{"main.go": read(t, file)}))
			})
		}
		t.Run("commands", func(t *testing.T) {
			t.Parallel()
			testCommands(t, o)
		})
		t.Run("generated", func(t *testing.T) {
			t.Parallel()
			testGenerated(t, o)
		})
		testPages(t, o)
	})
	if t.Failed() {
		return
	}
	packages, err := o.tree.packages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range packages {
		if !o.used[path] && path != modulePath("contrib") { // That is documentation only.
			t.Errorf("no program in testdata imports %s", path)
		}
	}
}

func testCommands(t *testing.T, o *outside) {
	for _, path := range []string{"pool/advisor/cmd/pgadvise", "benchmarks/gate", "contrib/gqlgen/compile/cmd/gqlgen-compile"} {
		o.run(t, o.temp, "go", "install", modulePath(path)+"@"+o.version)
	}
	dsn := strings.TrimPrefix(o.servers[0], "DATABASE_URL=")
	if report := o.run(t, o.temp, filepath.Join(o.temp, "bin", "pgadvise"), dsn); report == "" {
		t.Error("pgadvise has printed nothing")
	}
	o.run(t, o.temp, filepath.Join(o.temp, "bin", "gate"), "-h")
}

// testGenerated generates a gqlgen server with the command of the compile plugin.
func testGenerated(t *testing.T, o *outside) {
	dir := o.module(t, nil)
	if err := os.CopyFS(dir, os.DirFS("testdata/generated")); err != nil {
		t.Fatal(err)
	}
	command := modulePath("contrib/gqlgen/compile/cmd/gqlgen-compile")
	o.run(t, dir, "go", "get", "-tool", command+"@"+o.version)
	o.run(t, dir, "go", "tool", "gqlgen-compile")
	o.program(t, dir)
}
