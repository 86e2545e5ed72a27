package simdjson

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("GQLBOOST_SIMDJSON_CHILD") != "" {
		os.Stdout.WriteString(Kernel())
		return
	}
	os.Exit(m.Run())
}

// The environment chooses a lower kernel, never one that the CPU lacks.
func TestKernelFromTheEnvironment(t *testing.T) {
	for value, want := range map[string]string{
		"": fastest().String(), "portable": "portable", "avx2": limitOf("avx2").String(), "avx512": fastest().String(), "no such kernel": fastest().String(),
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "GQLBOOST_SIMDJSON_CHILD=1", "GQLBOOST_SIMD="+value)
		output, err := cmd.Output()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("an emulator runs this test, but not its child")
		}
		if err != nil || string(output) != want {
			t.Errorf("GQLBOOST_SIMD=%s: %s, %v; want %s", value, output, err, want)
		}
	}
}
