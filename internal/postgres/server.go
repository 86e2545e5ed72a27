package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/internal/watchdog"
	"github.com/jackc/pgx/v5/pgconn"
)

// EnvDSN names the environment variable that points to an existing server.
const EnvDSN = "GQLBOOST_TEST_DSN"

// ErrShared is returned by what only a private server can do (Restart, Kill)
// when GQLBOOST_TEST_DSN names an existing one.
var ErrShared = errors.New("postgres: not possible on the existing server that " + EnvDSN + " names")

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
	portAttempts = 5
)

// Options say how a private server is set up. The zero value is a server with
// the settings that initdb writes.
type Options struct {
	// Settings are server parameters, as in postgresql.conf. An existing server
	// keeps its own.
	Settings map[string]string
	// Preload lists shared_preload_libraries. A library that the installation
	// lacks is left out; a test that depends on one asks for its extension.
	Preload []string
	// Root is the folder of the installation (bin, lib, share) that is to be used, see
	// [Release]. By default it is the newest of the machine.
	Root string
}

// Volatile returns settings for data that nobody will miss: nothing is synced
// to disk. They are not the caller's to share: each call makes a new map.
func Volatile() map[string]string {
	return map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
}

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	dsn       string
	socketDSN string

	// For a private server only.
	dir     string
	bin     string
	port    int
	options Options
	owner   *account
	guard   *watchdog.Watchdog
	mu      sync.Mutex // guards process and stopped
	process *process
	stopped bool

	// For an existing server only.
	dropDatabase func() error
}

// Start returns once the server answers queries. The context bounds the start
// (60 s at most in any case), not the server's life. The caller stops it.
func Start(ctx context.Context, o Options) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if dsn := os.Getenv(EnvDSN); dsn != "" && o.Root == "" {
		return useExisting(ctx, dsn)
	}
	return startPrivate(ctx, o)
}

func startPrivate(ctx context.Context, o Options) (*Server, error) {
	owner, err := unprivileged()
	if err != nil {
		return nil, err
	}
	return provide(owner, o, func(s *Server) error {
		if o.Root != "" {
			s.bin, err = readable(s.dir, o.Root, owner)
		} else {
			s.bin, err = binaries(ctx, s.dir, owner)
		}
		if err != nil {
			return err
		}
		if err := owner.own(s.dir); err != nil {
			return err
		}
		if err := s.initdb(ctx); err != nil {
			return err
		}
		return s.launch(ctx)
	})
}

// provide makes a server's folder, which goes when it is not filled.
func provide(owner *account, o Options, fill func(*Server) error) (*Server, error) {
	dir, err := os.MkdirTemp(tempDir(), "gqlboost-pg-")
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	s := &Server{dir: dir, options: o, owner: owner}
	if s.guard, err = watchdog.Start(dir, "INT"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := fill(s); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// tempDir is the usual folder, unless its name is long, as it is on macOS (the
// path of the socket in it must fit into about 100 bytes), or it is closed to
// others (the server may run as another user).
func tempDir() string {
	dir := os.TempDir()
	if info, err := os.Stat(dir); err != nil || len(dir) > 40 || info.Mode().Perm()&0o001 == 0 {
		return "/tmp"
	}
	return dir
}

func (s *Server) initdb(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres",
		"--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	s.owner.run(cmd)
	cmd.Dir = s.dir
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("postgres: initdb: %w", err)
	}
	s.guard.PID(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("postgres: initdb: %w\n%s", err, output.String())
	}
	return nil
}

func (s *Server) data() string    { return filepath.Join(s.dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// launch starts the postmaster, on the port it had before if it had one. It
// tries again when somebody else took the port or a library is not installed.
func (s *Server) launch(ctx context.Context) error {
	preload := slices.Clone(s.options.Preload)
	for attempt := 1; ; attempt++ {
		if s.port == 0 {
			port, err := freePort()
			if err != nil {
				return err
			}
			s.setPort(port)
		}
		err := s.launchOnce(ctx, preload)
		if err == nil || attempt == portAttempts+len(s.options.Preload) || ctx.Err() != nil {
			return err
		}
		log := s.Log()
		missing := slices.IndexFunc(preload, func(name string) bool {
			return strings.Contains(log, `could not access file "`+name+`"`)
		})
		switch {
		case missing >= 0:
			preload = slices.Delete(preload, missing, missing+1)
		case strings.Contains(log, "could not create any TCP/IP sockets"):
			s.port = 0
		default:
			return err
		}
	}
}

func (s *Server) launchOnce(ctx context.Context, preload []string) error {
	args := []string{"-D", s.data(), "-k", s.dir, "-p", strconv.Itoa(s.port), "-h", "127.0.0.1",
		"-c", "unix_socket_permissions=0777", "-c", "shared_preload_libraries=" + strings.Join(preload, ",")}
	for _, name := range slices.Sorted(maps.Keys(s.options.Settings)) {
		args = append(args, "-c", name+"="+s.options.Settings[name])
	}
	log, err := os.Create(s.logFile())
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = s.dir
	s.owner.run(cmd)
	p, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	s.guard.PID(cmd.Process.Pid)
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()
	// Ask over the socket: its folder is ours, while somebody else may be
	// listening on the port. The server binds both before it accepts on either.
	if err := answers(ctx, s.socketDSN, p.exited); err != nil {
		p.kill()
		return fmt.Errorf("postgres: the server did not start: %w\n%s", err, s.Log())
	}
	return nil
}

// answers returns nil once a query goes through.
func answers(ctx context.Context, dsn string, exited <-chan struct{}) error {
	for {
		err := ping(ctx, dsn)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return errors.New("it exited")
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func ping(ctx context.Context, dsn string) error {
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	err = conn.Exec(ctx, "select 1").Close()
	return errors.Join(err, conn.Close(ctx))
}

// Log returns what the server has logged since it was started last.
func (s *Server) Log() string {
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log)
}

func (s *Server) setPort(port int) {
	s.port = port
	u := url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres",
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), RawQuery: "sslmode=disable",
	}
	s.dsn = u.String()
	s.socketDSN = fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres sslmode=disable", s.dir, port)
}

// freePort asks the kernel. Somebody may take the port before the server binds
// it: launch then tries another one.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("postgres: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// DSN connects over TCP as a superuser, except to an existing server, where it
// has the rights of GQLBOOST_TEST_DSN.
func (s *Server) DSN() string { return s.dsn }

// SocketDSN connects over the unix socket. For an existing server it is DSN.
func (s *Server) SocketDSN() string { return s.socketDSN }

// PID is the postmaster's process, 0 for an existing server.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.pid()
}

// Kill ends the server as a crash does, with all its backends, and leaves its
// files, so that Restart recovers them.
func (s *Server) Kill() error {
	if s.dropDatabase != nil {
		return ErrShared
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.crash()
}

// Restart stops the server unless it is down already, and starts it on the same
// data and port.
func (s *Server) Restart(ctx context.Context) error {
	if s.dropDatabase != nil {
		return ErrShared
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	if err := p.stop(); err != nil {
		return err
	}
	return s.launch(ctx)
}

// Stop disconnects every client, ends the server and removes its files. It is
// safe to call it again.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	if s.dropDatabase != nil {
		return s.dropDatabase()
	}
	var err error
	if s.process != nil {
		err = s.process.stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir), s.guard.Dismiss())
}
