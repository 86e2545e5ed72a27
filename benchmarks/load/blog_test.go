//go:build unix

package load

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
)

func launchBlog(t *testing.T, args ...string) (*Server, *postgres.Server) {
	t.Helper()
	testbed, err := OpenTestbed(t.Context(), "blog")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := testbed.Close(); err != nil {
			t.Error(err)
		}
	})
	server, err := testbed.Launch(t.Context(), "blog", "baseline", append(args, "-scale=0.02")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server, testbed.Postgres
}

// The whole mix is answered without an error, and what it cost is known.
func TestBlogUnderLoad(t *testing.T) {
	server, pg := launchBlog(t)
	result, err := Measure(t.Context(), server.Target, Config{Mix: BlogMix(), Clients: 8, Warmup: time.Second, Duration: 3 * time.Second, MinRequests: 1}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if result.Errors != 0 || result.Requests == 0 {
		t.Fatalf("%d requests, errors %v", result.Requests, result.ErrorKinds)
	}
	// A busy machine may send too few for each operation, and for a tick of Postgres's CPU time.
	const enough = 1000
	for _, o := range result.Operations {
		if o.Requests == 0 && result.Requests > enough {
			t.Errorf("no %s was sent", o.Name)
		}
	}
	u := result.Resources
	if u.ServerCPU <= 0 && result.Requests > enough || u.ServerMemory == 0 || u.Allocations <= 0 || u.AllocatedBytes <= 0 {
		t.Errorf("the server cost nothing: %+v", u)
	}
	if pg.PID() != 0 && (u.PostgresCPU <= 0 && result.Requests > enough || u.PostgresMemory == 0) {
		t.Errorf("Postgres cost nothing: %+v", u)
	}
	if u.Statements != 0 && (u.Statements < 1 || u.Statements > 20) {
		t.Errorf("%v statements per request", u.Statements)
	}
}

func TestKillingPostgresYieldsCountedErrors(t *testing.T) {
	server, pg := launchBlog(t)
	if pg.PID() == 0 {
		t.Skip("needs a private Postgres")
	}
	// Not after a time: a busy machine might not have begun.
	var answered atomic.Int64
	var killed sync.WaitGroup
	kill := func(s Sent) {
		if s.Err == nil && answered.Add(1) == 100 {
			killed.Go(func() {
				if err := pg.Kill(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	start := time.Now()
	result, err := Measure(t.Context(), server.Target, Config{
		Mix: BlogMix(), Phases: []Phase{{200, time.Hour}}, Arrivals: Poisson, Duration: 4 * time.Second, MinRequests: 1,
		Each: kill,
	}, t.Output())
	killed.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if result.Requests == 0 || result.Errors == 0 {
		t.Errorf("%d successes and %d errors, want both", result.Requests, result.Errors)
	}
	if took := time.Since(start); took > 4*time.Second+2*requestTimeout {
		t.Errorf("the report took %v", took)
	}
}

func TestProfileOfBlog(t *testing.T) {
	server, _ := launchBlog(t, "-spans")
	dir := t.TempDir()
	_, breakdown, err := Profile(t.Context(), server.Target, 2*time.Second, dir, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][]Part{"cpu": breakdown.CPU, "allocations": breakdown.Allocations} {
		sum := 0.0
		for _, p := range list {
			sum += p.Share
		}
		if sum < 0.999 || sum > 1.001 {
			t.Errorf("%s: the shares add up to %v", name, sum)
		}
	}
	if len(breakdown.Clock) < 7 {
		t.Errorf("spans: %+v", breakdown.Clock)
	}
	for _, name := range []string{"profile.pb.gz", "allocs.pb.gz", "mutex.pb.gz", "block.pb.gz", "flamegraph.html"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 100 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Ctrl-C ends the load test with the report so far, and nothing stays behind.
func TestInterruptLeavesNothing(t *testing.T) {
	t.Setenv(postgres.EnvDSN, "")
	binary := filepath.Join(t.TempDir(), "load")
	if output, err := exec.Command("go", "build", "-o", binary, "../cmd/load").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	temp, err := os.MkdirTemp("/tmp", "") // Short, so that Postgres uses it too.
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-scale", "0.02", "-clients", "4", "-duration", "10m")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	var output syncBuffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	for !strings.Contains(output.String(), "requests") {
		select {
		case err := <-exited:
			t.Fatalf("it ended by itself: %v\n%s", err, output.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-exited; err == nil || ctx.Err() != nil {
		t.Errorf("err = %v, want a non-zero exit; %v", err, ctx.Err())
	}
	if !strings.Contains(output.String(), "PRESET") {
		t.Errorf("no report of what was measured:\n%s", output.String())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Error("left behind:", left, err)
	}
}
