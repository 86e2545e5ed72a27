package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testPages works through the pages that have programs, as their readers do: in an empty
// folder, with the commands that are printed and no others.
func testPages(t *testing.T, o *outside) {
	list, err := o.tree.git(t.Context(), "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := 0
	for file := range strings.Lines(list) {
		file = strings.TrimSpace(file)
		list := blocksOf(read(t, o.tree.path(file)))
		n := 0
		for _, b := range list {
			if b.program() {
				n++
				if output(b.text) == "" && !listens.MatchString(b.text) {
					t.Errorf("%s: program %d does not say what it prints", file, n)
				}
			}
		}
		if n > 0 || slices.ContainsFunc(list, func(b block) bool { return b.language == "diff" }) {
			programs += n
			t.Run(file, func(t *testing.T) {
				t.Parallel()
				o.follow(t, list)
			})
		}
	}
	if programs < 5 {
		t.Errorf("%d programs were found", programs)
	}
}

// follow does what a page says. Each program must be run by a command of the page.
func (o *outside) follow(t *testing.T, page []block) {
	t.Helper()
	dir := t.TempDir()
	waiting := "" // the program that no command has run yet
	for _, b := range page {
		switch {
		case b.program():
			if waiting != "" {
				t.Errorf("no command of the page runs\n%s", waiting)
			}
			waiting = b.text
			write(t, filepath.Join(dir, "main.go"), waiting)
		case b.language == "diff":
			patch := filepath.Join(t.TempDir(), "page.diff")
			write(t, patch, b.text)
			o.run(t, dir, "git", "apply", patch)
		case b.language == "sh":
			for line := range strings.Lines(b.text) {
				if o.shell(t, dir, strings.TrimSpace(line)) {
					waiting = ""
				}
			}
		}
	}
	if waiting != "" {
		t.Errorf("no command of the page runs\n%s", waiting)
	}
}

// shell runs a line of a page, and reports whether that was the program. What is not about the
// page's own module is left out.
func (o *outside) shell(t *testing.T, dir, line string) (ran bool) {
	t.Helper()
	start := strings.HasPrefix(line, "go mod init ")
	switch {
	case !start && !strings.HasPrefix(line, "go get ") && !strings.HasPrefix(line, "go mod ") &&
		!strings.HasPrefix(line, "go tool ") && !strings.HasSuffix(line, "go run ."):
		return false
	case !start:
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			o.run(t, dir, "go", "mod", "init", "example.com/outside")
		}
	}
	if !strings.HasSuffix(line, "go run .") {
		o.run(t, dir, "sh", "-c", line)
		return false
	}
	if _, err := os.Stat(filepath.Join(dir, "main.go")); err == nil {
		o.program(t, dir)
	} else { // What a generator has written is started by the guides' test.
		o.run(t, dir, "go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "program"), ".")
	}
	return true
}

// block is a fenced block of a page.
type block struct{ language, text string }

var (
	fence   = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	program = regexp.MustCompile(`(?m)^package main$`)
)

// program reports whether the block is a whole program.
func (b block) program() bool { return b.language == "go" && program.MatchString(b.text) }

// blocksOf returns the fenced blocks of a Markdown text.
func blocksOf(markdown string) (list []block) {
	for _, m := range fence.FindAllStringSubmatch(markdown, -1) {
		list = append(list, block{m[1], m[2]})
	}
	return list
}

func TestBlocksOf(t *testing.T) {
	text := "# A\n```go\nx := 1\n```\n```go\n// B.\npackage main\n\nfunc main() {\n\t// Output:\n\t// a\n\t//  b\n}\n```\n" +
		"```sh\npackage main\n```\n```go\npackage main // C\n```\n"
	list := blocksOf(text)
	if len(list) != 4 || list[2].language != "sh" {
		t.Fatalf("got %q", list)
	}
	for i, b := range list {
		if b.program() != (i == 1) {
			t.Errorf("block %d is a program: %v", i, b.program())
		}
	}
	if got := output(list[1].text); got != "a\n b" {
		t.Errorf("its output is to be %q", got)
	}
	if got := output("x()\n// Output: [1 2]\n}\n// y\n"); got != "[1 2]" {
		t.Errorf("got %q", got)
	}
}
