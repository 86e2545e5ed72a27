package flags

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// set returns flags of each kind.
func set() *flag.FlagSet {
	f := flag.NewFlagSet("test", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Int("rounds", 3, "")
	f.Int64("least", 200, "")
	f.Float64("scale", 1, "")
	f.Duration("duration", time.Second, "")
	f.Duration("warm-up", -1, "")
	f.String("args", "", "")
	f.String("json", "", "")
	f.Bool("more", false, "")
	return f
}

func TestParse(t *testing.T) {
	for args, want := range map[string]string{
		"":                     "",
		"-rounds 1 -scale 2":   "",
		"-rounds 0":            "-rounds is 0",
		"-least 0":             "", // It may be 0.
		"-least -1":            "-least is -1",
		"-scale -0.1":          "-scale is -0.1",
		"-scale NaN":           "-scale is NaN",
		"-scale Inf":           "-scale is +Inf",
		"-duration -1ms":       "-duration is -1ms",
		"-duration 0s":         "-duration is 0s",
		"-warm-up 0s":          "",
		"-warm-up -1ns":        "-warm-up is -1ns", // Its default has no spelling of its own.
		"-duration 1":          "parse error",
		"-more extra":          `unexpected argument "extra"`,
		"-nosuch":              "not defined",
		"-more=maybe":          "invalid boolean",
		"-args=-5 -json=-1":    "", // A text.
		"-rounds -1 -scale -1": "-scale is -1",
	} {
		err := Parse(set(), strings.Fields(args), "rounds", "duration")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	if err := Parse(set(), nil, "nosuch"); err == nil {
		t.Error("a flag that there is not cannot be positive")
	}
}

func TestCommand(t *testing.T) {
	for args, want := range map[string]string{
		"":                        "make it",
		"-rounds 3 -json x -more": "make it", // The default, and what changes no figure.
		"-scale 0.1 -duration 2s": "make it ARGS='-duration=2s -scale=0.1'",
		"-rounds 4 -json y":       "make it ARGS='-rounds=4'",
	} {
		f := set()
		if err := Parse(f, strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		if got := Command(f, "make it", "json", "more"); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
	f := set()
	if err := Parse(f, []string{"-args", "-a -b"}); err != nil {
		t.Fatal(err)
	}
	if got, want := Command(f, "make it"), `make it ARGS='-args="-a -b"'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Every command of the module parses its arguments here, or checks them.
func TestAllCommands(t *testing.T) {
	folders, err := filepath.Glob("../../cmd/*")
	if err != nil || len(folders) < 10 {
		t.Fatal(folders, err)
	}
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join(folder, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		// record has no flags of its own.
		if !regexp.MustCompile(`flags\.(Parse|Check)\(`).Match(text) && filepath.Base(folder) != "record" {
			t.Errorf("%s takes any arguments", folder)
		}
	}
}
