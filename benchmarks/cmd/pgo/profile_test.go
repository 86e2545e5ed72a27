package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// Each server, with its arguments and data, has a profile of its own.
func TestProfileFile(t *testing.T) {
	for want, p := range map[string]*pgo{
		"blog-boosted-compiled-scale=1.pgo": {server: "blog", args: []string{"-boosted", "-compiled"}, scale: 1},
		"blog-boosted-scale=0.1.pgo":        {server: "blog", args: []string{"-boosted"}, scale: 0.1},
		"direct-scale=1.pgo":                {server: "direct", scale: 1},
		"blog-schema_a_b-scale=1.pgo":       {server: "blog", args: []string{"-schema", "a/b"}, scale: 1},
	} {
		if got := profileFile(p.subject()); got != filepath.Join(folder, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A profile says what it is of, and is used for nothing else.
func TestOrigin(t *testing.T) {
	p := &pgo{server: "blog", args: []string{"-boosted"}, scale: 1, profile: filepath.Join(t.TempDir(), "x.pgo")}
	at := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	taken := &profile.Profile{TimeNanos: at.UnixNano(),
		SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}}
	if err := load.WriteFile(p.profile, func(w io.Writer) error { return taken.Write(w) }); err != nil {
		t.Fatal(err)
	}
	o, err := p.known()
	if err != nil || o.server != "" || o.String() != "taken 2 January 2026 03:04 UTC elsewhere" {
		t.Errorf("of one from elsewhere: %v, %v", o, err)
	}
	if err := sign(p.profile, origin{server: p.subject(), code: "abc"}); err != nil {
		t.Fatal(err)
	}
	o, err = p.known()
	const want = "taken 2 January 2026 03:04 UTC of blog -boosted -scale=1, built from abc"
	if err != nil || o.String() != want {
		t.Errorf("%v, %v", o, err)
	}
	p.args = nil
	const refused = "the profile of blog -boosted -scale=1, and this is blog -scale=1"
	if _, err = p.known(); err == nil || !strings.Contains(err.Error(), refused) {
		t.Errorf("of another server: %v", err)
	}
	if err := os.WriteFile(p.profile, []byte("no profile"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = p.known(); err == nil || !strings.Contains(err.Error(), p.profile) {
		t.Errorf("of what is no profile: %v", err)
	}
}
