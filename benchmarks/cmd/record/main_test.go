package main

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

func TestRecord(t *testing.T) {
	var out strings.Builder
	if err := run(&out, []string{"echo", "BenchmarkX 1 2 ns/op"}); err != nil || !strings.HasPrefix(out.String(), "BenchmarkX 1 2 ns/op\n") {
		t.Errorf("%q, %v", out.String(), err)
	}
	var exit *exec.ExitError
	if err := run(&out, []string{"sh", "-c", "exit 7"}); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("err = %v", err)
	}
	if err := run(&out, nil); err == nil {
		t.Error("no error without a command")
	}
	out.Reset()
	if err := write(&out, nil); err != nil || out.Len() > 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
	const want = "machine: {\"stealShare\":0.1,\"othersCpuShare\":0.2,\"loadBefore\":3,\"cpuPressureShare\":0.4}\n"
	if err := write(&out, &machine.Conditions{Steal: 0.1, Others: 0.2, Load: 3, Waiting: 0.4}); err != nil || out.String() != want {
		t.Errorf("%q, %v", out.String(), err)
	}
}
