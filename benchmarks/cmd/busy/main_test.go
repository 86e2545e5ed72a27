package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
)

// The loops run for as long as the command does, and have ended with it.
func TestBusyBesideACommand(t *testing.T) {
	if cpu.Time() == 0 {
		t.Skip("CPU time is not measured on this system")
	}
	goroutines, before := runtime.NumGoroutine(), cpu.Time()
	if err := run(t.Context(), 2, []string{"sleep", "0.5"}); err != nil {
		t.Fatal(err)
	}
	// On a machine that others keep busy the loops get a part of it only.
	if used := cpu.Time() - before; used < 20*time.Millisecond {
		t.Errorf("the loops used %v of CPU in half a second", used)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines are left, of %d before", n, goroutines)
	}
}

func TestBusyFailsWithTheCommand(t *testing.T) {
	var exit *exec.ExitError
	if err := run(t.Context(), 1, []string{"sh", "-c", "exit 7"}); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("err = %v", err)
	}
	if err := run(t.Context(), 1, nil); err == nil {
		t.Error("no error without a command")
	}
	if err := run(t.Context(), 1, []string{"/no/such/command"}); err == nil {
		t.Error("no error for a command that is not there")
	}
}

func TestBusyIsBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	left := filepath.Join(t.TempDir(), "left")
	if err := run(ctx, 1, []string{"sh", "-c", "(sleep 2; touch " + left + ") & sleep 600"}); err == nil {
		t.Error("a command that was stopped is no success")
	}
	time.Sleep(3 * time.Second)
	if _, err := os.Stat(left); err == nil {
		t.Error("what the command had started went on")
	}
	if took := time.Since(start); took > 5*time.Minute {
		t.Errorf("it took %v", took)
	}
}
