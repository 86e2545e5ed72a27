package simdjson

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("GQLBOOST_SIMDJSON_CHILD") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// The environment chooses a lower kernel, never one that the CPU lacks, and for an
// unknown name the portable one, with a word about it.
func TestKernelFromTheEnvironment(t *testing.T) {
	for value, want := range map[string]string{
		"": fastest().String(), "portable": "portable", "avx2": bestBelow(avx2).String(), "avx512": bestBelow(avx512).String(), "neon": bestBelow(neon).String(),
		"typo": `portable (GQLBOOST_SIMD: simdjson: unknown kernel "typo": use one of portable, neon, avx2, avx512)`,
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "GQLBOOST_SIMDJSON_CHILD=1", "GQLBOOST_SIMD="+value)
		output, err := cmd.Output()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("an emulator runs this test, but not its child")
		}
		want += fmt.Sprintf(" true %v", value == "typo")
		if err != nil || string(output) != want {
			t.Errorf("GQLBOOST_SIMD=%s: %s, %v; want %s", value, output, err, want)
		}
	}
}

// child is what the test above starts: it prints the kernel, whether a text can be
// parsed, and whether the metric says that the name is unknown.
func child() {
	doc, err := Parse(longText())
	doc.Close()
	fmt.Print(Kernel(), " ", err == nil, " ", metricValues()["gqlboost.simdjson.unknown_kernels"] == 1)
}
