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
	switch os.Getenv("GQLBOOST_SIMDJSON_CHILD") {
	case "kernel":
		printKernel()
	case "fitness":
		fmt.Print(targetFitness(new(int)) == unfit)
	default:
		os.Exit(m.Run())
	}
}

// The environment chooses a lower kernel, never one that the CPU lacks, and for an
// unknown name the portable one, with a word about it.
func TestKernelFromTheEnvironment(t *testing.T) {
	for value, want := range map[string]string{
		"": fastest().String(), "portable": "portable", "avx2": bestBelow(avx2).String(), "avx512": bestBelow(avx512).String(), "neon": bestBelow(neon).String(),
		"typo": `portable (GQLBOOST_SIMD: simdjson: unknown kernel "typo": use one of portable, neon, avx2, avx512)`,
	} {
		output, err := runChild(t, "kernel", "GQLBOOST_SIMD="+value)
		want += fmt.Sprintf(" true %v", value == "typo")
		if err != nil || output != want {
			t.Errorf("GQLBOOST_SIMD=%s: %s, %v; want %s", value, output, err, want)
		}
	}
}

// runChild starts this binary as a child with a variable, and returns what it prints.
func runChild(t *testing.T, which, variable string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GQLBOOST_SIMDJSON_CHILD="+which, variable)
	output, err := cmd.Output()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("an emulator runs this test, but not its child")
	}
	return string(output), err
}

// sonic's other decoder, which its users are told to try, differs from encoding/json.
func TestUnmarshalWithSonicsOtherDecoder(t *testing.T) {
	if output, err := runChild(t, "fitness", "SONIC_USE_OPTDEC=1"); err != nil || output != "true" {
		t.Errorf("got %q, %v: sonic decodes", output, err)
	}
}

// printKernel prints the kernel, whether a text can be parsed, and whether the metric
// says that the name is unknown.
func printKernel() {
	doc, err := Parse(longText())
	doc.Close()
	fmt.Print(Kernel(), " ", err == nil, " ", metricValues()["gqlboost.simdjson.unknown_kernels"] == 1)
}
