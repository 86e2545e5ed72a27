package main

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
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
	host := load.Host{Machine: load.Machine{OS: "linux/amd64", CPU: "A CPU", Cores: 4, SIMD: "NEON", Memory: 7},
		Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	const its = `host: {"os":"linux/amd64","cpu":"A CPU","cores":4,"simd":"NEON","memoryBytes":7,"date":"2026-01-02T03:04:05Z"}` + "\n"
	if err := write(&out, host, nil); err != nil || out.String() != its {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	const want = its + "machine: {\"stealShare\":0.1,\"othersCpuShare\":0.2,\"loadBefore\":3,\"cpuPressureShare\":0.4}\n"
	if err := write(&out, host, &machine.Conditions{Steal: 0.1, Others: 0.2, Load: 3, Waiting: 0.4}); err != nil || out.String() != want {
		t.Errorf("%q, %v", out.String(), err)
	}
}
