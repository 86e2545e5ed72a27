package simdjson

import (
	"bytes"
	"cmp"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/simdjson"
	"golang.org/x/perf/benchfmt"
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
	for results := benchfmt.NewReader(bytes.NewReader(out), kernel); results.Scan(); {
		if r, ok := results.Result().(*benchfmt.Result); ok {
			for _, v := range r.Values {
				b.ReportMetric(cmp.Or(v.OrigValue, v.Value), cmp.Or(v.OrigUnit, v.Unit))
			}
			return
		}
	}
	b.Fatalf("no result of %s: %s", ours, out)
}
