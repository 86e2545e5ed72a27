package main

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/internal/model"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// Rounds are added to those of the same machine, and to nothing else.
func TestReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model.json")
	write := func(content any) {
		t.Helper()
		text, err := json.Marshal(content)
		if err == nil {
			err = os.WriteFile(file, text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before := model.Report{Command: "before, with a round", Machine: load.ThisMachine()}
	for name, c := range map[string]struct {
		more          bool
		content       any
		command, want string
	}{
		"no file":         {true, nil, "make model", ""},
		"not asked":       {false, before, "make model", ""},
		"asked":           {true, before, "before, with a round", ""},
		"another command": {true, model.Report{Command: "make model ARGS='-scale=0.1'", Machine: load.ThisMachine()}, "", "and this is make model"},
		"another machine": {true, model.Report{Machine: load.Machine{CPU: "another"}}, "", "is of another, 0 cores"},
		"no report":       {true, "text", "", "cannot unmarshal"},
	} {
		_ = os.Remove(file) // The last case's.
		if c.content != nil {
			write(c.content)
		}
		s := &session{json: file, more: c.more, command: cmp.Or(c.command, "make model")}
		r, err := s.report()
		switch {
		case c.want == "" && (err != nil || r.Command != c.command):
			t.Errorf("%s: %v, %v", name, r, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", name, err)
		}
	}
}
