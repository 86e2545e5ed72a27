package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/loopback"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
)

// startRedis starts a server at an address, and returns when it listens.
func startRedis(t *testing.T, address string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("redis-server is not installed")
	}
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	wait.Until(t, "Redis listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// Instances that start before Redis join each other when it is there.
func TestRedisThatStartsLater(t *testing.T) {
	address := loopback.FreeAddress(t)
	var fleets [2]*fleet
	var caches [2]*plancache.Results
	for i := range fleets {
		f, err := openFleet(redisOptions{addresses: address, parts: "uses,bus"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.end)
		r, err := plancache.NewResults(plancache.ResultsOptions{Bytes: 1 << 20, TTL: time.Hour, Invalidator: f.link})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		fleets[i], caches[i] = f, r
	}
	uses := []plancache.Use{{Member: "m", Count: 1}}
	if err := fleets[0].uses.Ranking.Count(t.Context(), "g", uses, plancache.Keep{}); err == nil {
		t.Error("uses were told to nobody")
	}
	startRedis(t, address)
	for _, f := range fleets {
		if err := f.link.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait.Until(t, "it hears the other one", func() bool { h := f.link.Health(); return h.Peers == 1 && !h.Blind })
	}
	keep := plancache.Keep{Most: 10, HalfLife: time.Hour, TTL: time.Hour}
	if err := fleets[0].uses.Ranking.Count(t.Context(), "g", uses, keep); err != nil {
		t.Error(err)
	}
	if got, err := fleets[1].uses.Ranking.Top(t.Context(), "g", 1, 1000); err != nil || !slices.Equal(got, uses) {
		t.Errorf("got %v, %v", got, err)
	}
	var version atomic.Int64
	load := func(i int) string {
		data, err := caches[i].Load(t.Context(), plancache.ResultKey{Query: "q"}, func(context.Context) ([]byte, []string, error) {
			return fmt.Append(nil, version.Load()), []string{"tag"}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	load(0)
	load(1)
	version.Store(2)
	if got := load(1); got != "0" {
		t.Errorf("nothing is kept: got %s", got)
	}
	if err := caches[0].Invalidate(t.Context(), "tag"); err != nil {
		t.Error(err)
	}
	wait.Until(t, "the other one shows it", func() bool { return load(1) == "2" })
}
