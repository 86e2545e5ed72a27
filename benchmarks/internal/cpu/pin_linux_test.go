package cpu

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
)

// affinity lists the cores of a process or thread.
func affinity(t *testing.T, id int) []int {
	t.Helper()
	cores, err := Allowed(id)
	if err != nil {
		t.Fatal(err)
	}
	return cores
}

func TestPin(t *testing.T) {
	all := affinity(t, 0)
	if len(all) == 0 || len(all) < runtime.GOMAXPROCS(0) {
		t.Fatal(all)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() {
		_ = child.Process.Kill() // It sleeps.
		_ = child.Wait()
	}()
	for _, cores := range [][]int{all[len(all)-1:], all} {
		if err := Pin(child.Process.Pid, cores); err != nil {
			t.Fatal(err)
		}
		if got := affinity(t, child.Process.Pid); !slices.Equal(got, cores) {
			t.Errorf("pinned to %v: %v", cores, got)
		}
	}
	if got := affinity(t, 0); !slices.Equal(got, all) {
		t.Errorf("this process was pinned: %v", got)
	}
}

// Every thread is pinned, and nothing is left of it afterwards.
func TestPinThreads(t *testing.T) {
	all := affinity(t, 0)
	defer func() {
		if err := Pin(os.Getpid(), all); err != nil {
			t.Error(err)
		}
	}()
	if err := Pin(os.Getpid(), all[:1]); err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil || len(threads) < 2 {
		t.Fatal(len(threads), err)
	}
	for _, thread := range threads {
		var id int
		if _, err := fmt.Sscan(thread.Name(), &id); err != nil {
			t.Fatal(err)
		}
		if got := affinity(t, id); !slices.Equal(got, all[:1]) {
			t.Errorf("thread %d: %v", id, got)
		}
	}
}

func TestPinNobody(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Skip(err)
	}
	if err := Pin(gone.Process.Pid, []int{0}); err != nil {
		t.Error(err)
	}
	if err := Pin(os.Getpid(), nil); err == nil {
		t.Error("no cores: no error")
	}
}
