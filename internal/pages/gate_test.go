package pages

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	gated     = regexp.MustCompile(`(?m)^GATED(_\w+)? := (.*)$`)
	benchmark = regexp.MustCompile(`(?m)^func Benchmark\w+\(b \*testing\.B\)`)
)

// The regression gate measures each package that has benchmarks.
func TestGateCoversBenchmarks(t *testing.T) {
	covered := map[string]bool{}
	for _, m := range gated.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		module := map[string]string{"": "benchmarks", "_CONTRIB": "contrib", "_ROOT": "."}[m[1]]
		for p := range strings.SplitSeq(m[2], ",") {
			covered[filepath.ToSlash(filepath.Join(module, p))] = false
		}
	}
	if len(covered) < 8 {
		t.Fatalf("the Makefile has %d gated packages", len(covered))
	}
	walk(t, func(name string) {
		dir := filepath.ToSlash(filepath.Dir(name))
		// The gate's own test has a benchmark in a string.
		if !strings.HasSuffix(name, "_test.go") || dir == "benchmarks/gate" || !benchmark.MatchString(read(t, name)) {
			return
		}
		if _, ok := covered[dir]; !ok {
			t.Errorf("%s: bench-compare does not measure the benchmarks of %s: add it to GATED in the Makefile", name, dir)
		}
		covered[dir] = true
	})
	for dir, found := range covered {
		if !found {
			t.Errorf("bench-compare measures %s, which has no benchmarks", dir)
		}
	}
}
