// Package redis starts private servers for tests.
package redis

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/loopback"
)

// Server is a redis-server, or a valkey-server.
type Server struct {
	Address string
	t       testing.TB
	args    []string
	cmd     *exec.Cmd
}

// Start starts a server that is stopped when the test ends. Without a binary the test is
// skipped, but for one of a continuous integration, which fails.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{Address: loopback.FreeAddress(t), t: t}
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir()}, args...)
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

func (s *Server) binary() string {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "redis-server is not installed (Debian: redis-server)"
	if os.Getenv("CI") != "" {
		s.t.Fatal(missing)
	}
	s.t.Skip(missing)
	return ""
}

// Restart starts a server that was killed, at the same address.
func (s *Server) Restart() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary(), s.args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.Address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the server does not come up: ", err)
		}
	}
}

// Kill kills the server.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}
