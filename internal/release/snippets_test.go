package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// testSnippets builds and runs the programs in the documentation: the blocks of Go code with
// a package main.
func testSnippets(t *testing.T, o *outside) {
	list, err := o.tree.git(t.Context(), "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := 0
	for file := range strings.Lines(list) {
		file = strings.TrimSpace(file)
		for i, source := range programsIn(read(t, o.tree.path(file))) {
			programs++
			if output(source) == "" && !listens.MatchString(source) {
				t.Errorf("%s: program %d does not say what it prints", file, i+1)
			}
			t.Run(fmt.Sprintf("%s/%d", file, i+1), func(t *testing.T) {
				t.Parallel()
				o.program(t, o.module(t, map[string]string{"main.go": source}))
			})
		}
	}
	if programs < 5 {
		t.Errorf("%d programs were found", programs)
	}
}

var (
	blocks  = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	program = regexp.MustCompile(`(?m)^package main$`)
)

// programsIn returns the whole programs in a Markdown text.
func programsIn(markdown string) (sources []string) {
	for _, match := range blocks.FindAllStringSubmatch(markdown, -1) {
		if program.MatchString(match[1]) {
			sources = append(sources, match[1])
		}
	}
	return sources
}

func TestProgramsIn(t *testing.T) {
	text := "# A\n```go\nx := 1\n```\n```go\n// B.\npackage main\n\nfunc main() {\n\t// Output:\n\t// a\n\t//  b\n}\n```\n" +
		"```sh\npackage main\n```\n```go\npackage main // C\n```\n"
	sources := programsIn(text)
	if len(sources) != 1 || !strings.HasPrefix(sources[0], "// B.\npackage main\n") {
		t.Fatalf("got %q", sources)
	}
	if got := output(sources[0]); got != "a\n b" {
		t.Errorf("its output is to be %q", got)
	}
	if got := output("x()\n// Output: [1 2]\n}\n// y\n"); got != "[1 2]" {
		t.Errorf("got %q", got)
	}
}
