package main

import (
	"context"
	"errors"
	"os/exec"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func allowed(t *testing.T) []int {
	t.Helper()
	cores, err := cpu.Allowed(0)
	if err != nil || len(cores) < 2 {
		t.Skip(cores, err)
	}
	return cores
}

func children(t *testing.T, pid int) (list []int) {
	t.Helper()
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		t.Fatal(err)
	}
	processes, err := p.Children()
	if err != nil || len(processes) == 0 {
		t.Fatal(processes, err)
	}
	for _, c := range processes {
		list = append(list, int(c.Pid))
	}
	return list
}

// affinity lists the cores of a process, nil if it has just gone.
func affinity(t *testing.T, pid int) []int {
	t.Helper()
	cores, err := cpu.Allowed(pid)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return cores
}

// Postgres, whose backends come and go, and the server are where they should be.
func TestPin(t *testing.T) {
	testbed, err := load.OpenTestbed(t.Context())
	if err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := testbed.Close(); err != nil {
			t.Error(err)
		}
	}()
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Skip(err)
	}
	defer func() {
		_ = sleeper.Process.Kill() // It sleeps.
		_ = sleeper.Wait()
	}()
	// A server that cannot be asked is not taken for one that has noticed.
	target := load.Target{Name: "sleep", PID: sleeper.Process.Pid, PostgresPID: testbed.Postgres.PID(), DebugURL: "http://127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	all := allowed(t)
	defer func() { _ = place{all, all}.pin(ctx, target) }() // The next tests need all of them.
	if err := (place{all[:1], all}).pin(ctx, target); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	for _, pid := range append(children(t, target.PostgresPID), target.PID, target.PostgresPID) {
		if got := affinity(t, pid); got != nil && !reflect.DeepEqual(got, all[:1]) {
			t.Errorf("process %d runs on %v", pid, got)
		}
	}
}
