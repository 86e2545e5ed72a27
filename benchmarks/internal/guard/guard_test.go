//go:build unix

package guard

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/gqlboost/gqlboost/internal/wait"
)

// victim is the environment variable that makes the test's binary a command that is killed.
const victim = "GQLBOOST_GUARD_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victim); dir != "" {
		if err := beKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// beKilled guards a folder and a process, says which, and waits.
func beKilled(dir string) error {
	if _, err := Folder(dir); err != nil {
		return err
	}
	server := exec.Command("sleep", "600")
	if _, err := Start(server); err != nil {
		return err
	}
	fmt.Println(server.Process.Pid)
	time.Sleep(10 * time.Minute)
	return nil
}

// running reports whether a process is there, and no zombie that nobody has waited for.
func running(pid int) bool {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return false
	}
	status, err := p.Status()
	return err == nil && !slices.Contains(status, process.Zombie)
}

// Whatever ends a command, the server that it has started and its folder go with it.
func TestKilled(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
		dir := filepath.Join(t.TempDir(), "folder")
		if err := os.MkdirAll(filepath.Join(dir, "below"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), victim+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		server, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || !running(server) {
			t.Fatal(line, err)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // It was killed.
		wait.Until(t, fmt.Sprintf("after %v the server and the folder are gone", signal), func() bool {
			_, err := os.Stat(dir)
			return !running(server) && errors.Is(err, os.ErrNotExist)
		})
	}
}

// What has ended, or was released, is left alone.
func TestReleased(t *testing.T) {
	dir := t.TempDir()
	release, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	release()
	release() // Once is enough.
	cmd := exec.Command("true")
	if release, err = Start(cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	release()
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	if _, err := Start(exec.Command("/no/such/program")); err == nil {
		t.Error("a program that there is not has started")
	}
}
