package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// jar builds what the Maven repository serves: a zip with a .txz of the build.
// The programs in it are stand-ins, so initdb fails, as it does for root.
func jar(t *testing.T) []byte {
	t.Helper()
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("needs xz")
	}
	tree := t.TempDir()
	bin := filepath.Join(tree, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"initdb", "postgres", "pg_ctl"} {
		script := "#!/bin/sh\necho " + program + "\nexit 1\n"
		if err := os.WriteFile(filepath.Join(bin, program), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	txz, err := exec.Command("tar", "-C", tree, "-cJ", "bin/initdb", "bin/postgres", "bin/pg_ctl").Output()
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, err := z.Create("postgres.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(txz); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func repository(t *testing.T, archive []byte, sum string) (url string, downloads *atomic.Int32) {
	downloads = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, ".jar.sha256"):
			fmt.Fprint(w, sum)
		case strings.HasSuffix(r.URL.Path, ".jar"):
			downloads.Add(1)
			_, _ = w.Write(archive)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, downloads
}

func TestFetchDownloadsOnce(t *testing.T) {
	archive := jar(t)
	url, downloads := repository(t, archive, fmt.Sprintf("%x", sha256.Sum256(archive)))
	cache := filepath.Join(t.TempDir(), "cache")
	for range 2 {
		root, err := fetch(cache, url)
		if err != nil {
			t.Fatal(err)
		}
		if output, _ := exec.Command(filepath.Join(root, "bin", "postgres")).Output(); string(output) != "postgres\n" {
			t.Errorf("bin/postgres printed %q", output)
		}
	}
	if n := downloads.Load(); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "incomplete-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFetchRefusesAForgedArchive(t *testing.T) {
	url, _ := repository(t, jar(t), fmt.Sprintf("%x", sha256.Sum256(nil)))
	if root, err := fetch(t.TempDir(), url); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("fetch = %q, %v; want a checksum error", root, err)
	}
}

func TestFetchNamesWhatFailed(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	if root, err := fetch(t.TempDir(), s.URL); err == nil || !strings.Contains(err.Error(), "could not be downloaded") {
		t.Errorf("fetch = %q, %v", root, err)
	}
}
