package simdjson

import (
	"bufio"
	"bytes"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/simdjson"
)

// lower are the kernels below this machine's, by the names that GQLBOOST_SIMD has for them.
func lower() []string {
	switch kernel := simdjson.Kernel(); {
	case os.Getenv("GQLBOOST_SIMD") != "", kernel == "portable":
		return nil
	case kernel == "avx512":
		return []string{"avx2", "portable"}
	}
	return []string{"portable"}
}

// benchKernel reports what the benchmark of ours beside b does with another kernel. A process has
// one, so a second process measures it: now and not after all the others, because a machine is not
// as fast all the time.
func benchKernel(b *testing.B, kernel string) {
	b.Helper()
	ours := strings.TrimSuffix(b.Name(), kernel) + "gqlboost"
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.benchmem",
		"-test.bench=^"+strings.ReplaceAll(ours, "/", "$/^")+"$",
		"-test.benchtime="+flag.Lookup("test.benchtime").Value.String())
	cmd.Env = append(os.Environ(), "GQLBOOST_SIMD="+kernel)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.ReportAllocs()
	found := false
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		// The name, how often it ran, and pairs of a value and its unit.
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || !strings.HasPrefix(fields[0], ours) {
			continue
		}
		found = true
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				b.Fatalf("%v: %s", err, out)
			}
			b.ReportMetric(value, fields[i+1])
		}
	}
	if !found {
		b.Fatalf("no result of %s: %s", ours, out)
	}
}
