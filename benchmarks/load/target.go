package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/guard"
)

// Target is a server under load. Only URL is needed; what else is known makes
// the report fuller.
type Target struct {
	Name        string
	URL         string // of the GraphQL endpoint
	DebugURL    string // of /debug, "" if unknown
	PID         int    // of the server, 0 if unknown
	Workers     bool   // the server has child processes, which count as well
	PostgresPID int    // of the postmaster, 0 if unknown
	PostgresDSN string // "" if unknown

	exited <-chan struct{} // closed when a server that Launch started is gone; nil if there is none
	log    *syncBuffer     // what it has written
}

// gone returns an error if the server has ended: then what it answered until then is no result.
func (t Target) gone() error {
	select {
	case <-t.exited:
		return fmt.Errorf("load: %s has ended; it wrote last:\n%s", t.Name, t.log.tail(2000))
	default:
		return nil
	}
}

// Totals asks the server how much data it has.
func (t Target) Totals(ctx context.Context) (Totals, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout) // A port may be open with nobody behind it.
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL,
		bytes.NewReader([]byte(`{"query":"{ totals { users posts comments } }"}`)))
	if err != nil {
		return Totals{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Totals{}, err
	}
	defer response.Body.Close()
	var envelope struct {
		Data   struct{ Totals Totals }
		Errors []struct{ Message string }
	}
	if err := json.NewDecoder(response.Body).Decode(&envelope); err != nil {
		return Totals{}, fmt.Errorf("load: %s does not answer GraphQL: %w", t.URL, err)
	}
	if len(envelope.Errors) > 0 {
		return Totals{}, fmt.Errorf("load: %s does not say how much data it has: %v", t.URL, envelope.Errors)
	}
	if totals := envelope.Data.Totals; totals.Users > 0 && totals.Posts > 20 && totals.Comments > 0 {
		return totals, nil
	}
	return Totals{}, fmt.Errorf("load: %s has too little data: %+v", t.URL, envelope.Data.Totals)
}

// build compiles the server of that name in a module of a checkout into a binary.
func build(ctx context.Context, root, module, name, binary string, flags ...string) error {
	args := slices.Concat([]string{"build", "-o", binary}, flags, []string{"./" + name})
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(root, module)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load: building %s: %w\n%s", name, err, output)
	}
	return nil
}

// SourceRoot finds the checkout that the working directory is in.
func SourceRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "examples", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("load: run it inside a checkout of gqlboost: it builds the servers from examples/")
		}
		dir = parent
	}
}

// Server is a process that Launch started.
type Server struct {
	Target
	cmd     *exec.Cmd
	release func() // of its guard
}

const (
	readyTimeout = time.Minute
	exitTimeout  = 15 * time.Second
)

var addressLine = regexp.MustCompile(`(debug|serving): http://([^/]+)/`)

// Launch starts a server's binary on a free port and returns when it serves.
func Launch(ctx context.Context, name, binary, dsn string, args ...string) (*Server, error) {
	return launch(ctx, name, dsn, exec.Command(binary, append(serverArgs(dsn), args...)...))
}

// serverArgs are what every server takes.
func serverArgs(dsn string) []string { return []string{"-addr", "127.0.0.1:0", "-dsn", dsn} }

func launch(ctx context.Context, name, dsn string, cmd *exec.Cmd) (*Server, error) {
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	release, err := guard.Start(cmd)
	if err != nil {
		return nil, err
	}
	serving, exited := make(chan struct{}), make(chan struct{})
	s := &Server{Target: Target{Name: name, PID: cmd.Process.Pid, PostgresDSN: dsn, exited: exited, log: new(syncBuffer)},
		cmd: cmd, release: release}
	go s.follow(stderr, serving, exited)
	select {
	case <-serving:
		return s, nil
	case <-s.exited:
		return nil, fmt.Errorf("load: %s did not start:\n%s", name, s.log)
	case <-time.After(readyTimeout):
		return nil, errors.Join(fmt.Errorf("load: %s is not ready after %v:\n%s", name, readyTimeout, s.log), s.Stop())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.Stop())
	}
}

// follow reads the server's log to its end. The addresses come in it.
func (s *Server) follow(stderr io.Reader, serving, exited chan struct{}) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(s.log, lines.Text())
		match := addressLine.FindStringSubmatch(lines.Text())
		switch {
		case match == nil:
		case match[1] == "debug":
			s.DebugURL = "http://" + match[2] + "/debug"
		case s.URL == "":
			s.URL = "http://" + match[2] + "/graphql"
			close(serving)
		}
	}
	_ = s.cmd.Wait()
	s.release()
	close(exited)
}

// Stop shuts the server down, and kills it if it does not go.
func (s *Server) Stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // Fails only if it has exited.
	select {
	case <-s.exited:
		return nil
	case <-time.After(exitTimeout):
		_ = s.cmd.Process.Kill()
		<-s.exited
		return fmt.Errorf("load: %s did not shut down within %v, killed", s.Name, exitTimeout)
	}
}

// StopAll shuts servers down, one after the other.
func StopAll(servers []*Server) error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Stop())
	}
	return errors.Join(errs...)
}

// Kill ends the server as a crash does.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // Fails only if it has exited.
	<-s.exited
}

// Log returns what the server has written.
func (s *Server) Log() string { return s.log.String() }

// syncBuffer is a buffer for two goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// tail returns at most so many of the last bytes.
func (s *syncBuffer) tail(n int) string {
	text := s.String()
	return strings.ToValidUTF8(text[max(len(text)-n, 0):], "")
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
