//go:build unix

package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// envCrash makes the test binary start a server and then end in the way named.
const envCrash = "GQLBOOST_POSTGRES_CRASH"

func TestMain(m *testing.M) {
	if way := os.Getenv(envCrash); way != "" {
		crash(way)
	}
	os.Exit(m.Run())
}

func crash(way string) {
	s, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(s.PID(), s.dir)
	if way == "panic" {
		go panic("as a test would")
	}
	select {}
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func show(t *testing.T, dsn, setting string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var value string
	if err := conn.QueryRow(t.Context(), "select current_setting($1)", setting).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func gone(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}

func TestServersAreIndependentAndCleanUp(t *testing.T) {
	t.Setenv(EnvDSN, "")
	a := start(t, Options{Settings: Volatile()})
	b := start(t, Options{Preload: []string{"no_such_library"}})
	if a.DSN() == b.DSN() {
		t.Error("two servers share", a.DSN())
	}
	if got := show(t, a.DSN(), "fsync"); got != "off" {
		t.Error("volatile server has fsync", got)
	}
	if got := show(t, b.SocketDSN(), "fsync"); got != "on" {
		t.Error("default server has fsync", got)
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	if !gone(a.dir) {
		t.Error("Stop left", a.dir)
	}
	if show(t, b.DSN(), "port") == "" {
		t.Error("stopping one server harmed the other")
	}
}

func TestKillAndRestartKeepTheData(t *testing.T) {
	t.Setenv(EnvDSN, "")
	s := start(t, Options{})
	before := s.DSN()
	if err := execute(t.Context(), s.DSN(), "create table kept as select 1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := ping(t.Context(), s.DSN()); err == nil {
		t.Error("a killed server answers")
	}
	for range 2 { // Down, then running.
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := execute(t.Context(), before, "select * from kept"); err != nil {
			t.Error(err)
		}
	}
}

func TestLaunchTakesAnotherPort(t *testing.T) {
	t.Setenv(EnvDSN, "")
	s := start(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := s.process.stop(); err != nil {
		t.Fatal(err)
	}
	s.setPort(l.Addr().(*net.TCPAddr).Port)
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.port == l.Addr().(*net.TCPAddr).Port {
		t.Error("the server says it listens on a port that is taken")
	}
	if err := ping(t.Context(), s.DSN()); err != nil {
		t.Error(err)
	}
}

// However the process goes, the server goes with it.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Setenv(EnvDSN, "")
	for _, way := range []string{"interrupt", "kill", "panic"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), envCrash+"="+way)
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(stdout).ReadString('\n')
			if err != nil {
				t.Fatal(err, line)
			}
			var pid int
			var dir string
			if _, err := fmt.Sscan(line, &pid, &dir); err != nil {
				t.Fatal(err, line)
			}
			switch way {
			case "interrupt":
				_ = cmd.Process.Signal(os.Interrupt)
			case "kill":
				_ = cmd.Process.Kill()
			}
			if err := cmd.Wait(); err == nil {
				t.Error("the process ended well")
			}
			deadline := time.Now().Add(30 * time.Second)
			for !gone(dir) || alive(pid) {
				if time.Now().After(deadline) {
					t.Fatalf("folder gone: %v, server gone: %v", gone(dir), !alive(pid))
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
}

// alive is false for a zombie: where nobody reaps orphans, it stays one.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestStartObeysItsContext(t *testing.T) {
	t.Setenv(EnvDSN, "")
	dir, err := os.MkdirTemp("/tmp", "") // Other packages' servers are not in it.
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, Options{}); err == nil {
		t.Error("started within 50 ms")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "gqlboost-pg-*")); len(left) > 0 {
		t.Error("left behind:", left)
	}
}

func TestStartReportsTheServersOwnWords(t *testing.T) {
	t.Setenv(EnvDSN, "")
	_, err := Start(t.Context(), Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("err = %v", err)
	}
}

func TestExistingServer(t *testing.T) {
	t.Setenv(EnvDSN, "")
	host := start(t, Options{Settings: Volatile()})
	t.Setenv(EnvDSN, host.DSN())
	a, b := start(t, Options{}), start(t, Options{})
	for _, s := range []*Server{a, b} {
		if err := execute(t.Context(), s.DSN(), "create table mine as select 1"); err != nil {
			t.Error("two tests share a database:", err)
		}
		if err := s.Kill(); !errors.Is(err, ErrShared) {
			t.Errorf("Kill = %v, want ErrShared", err)
		}
		if err := s.Restart(t.Context()); !errors.Is(err, ErrShared) {
			t.Errorf("Restart = %v, want ErrShared", err)
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if err := ping(t.Context(), s.DSN()); err == nil {
			t.Error("Stop left its database behind")
		}
	}
}

func TestWithDatabase(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u:p@h:1/old?sslmode=disable": "postgres://u:p@h:1/new?sslmode=disable",
		"postgres:///old?host=/tmp&dbname=older": "postgres:///new?host=%2Ftmp",
		"host=/tmp dbname=old user=u":            "host=/tmp dbname=old user=u dbname=new",
	} {
		got, err := withDatabase(dsn, "new")
		if err != nil || got != want {
			t.Errorf("withDatabase(%q) = %q, %v; want %q", dsn, got, err, want)
		}
		config, err := pgx.ParseConfig(got)
		if err != nil || config.Database != "new" {
			t.Errorf("%q connects to %v, %v", got, config, err)
		}
	}
}

func TestInstalledPrefersTheNewest(t *testing.T) {
	dirs := []string{t.TempDir()} // Empty: no installation.
	for _, version := range []string{"13.9", "16.2 (Debian 16.2-1)", "15.18"} {
		dir := t.TempDir()
		for _, program := range []string{"initdb", "postgres"} {
			script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
			if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		dirs = append(dirs, dir)
	}
	if got := installed(t.Context(), dirs, 0); got != dirs[2] {
		t.Errorf("installed = %q, want that of 16.2", got)
	}
	if got := installed(t.Context(), dirs[:2], 0); got != "" {
		t.Errorf("installed = %q, though 13 is too old", got)
	}
	if got := installed(t.Context(), dirs, 15); got != dirs[3] {
		t.Errorf("installed = %q, want that of 15.18", got)
	}
	if got := installed(t.Context(), dirs, 14); got != "" {
		t.Errorf("installed = %q, though 14 is not there", got)
	}
}

func TestWantedMajor(t *testing.T) {
	for text, want := range map[string]int{"": 0, "14": 14, "18": 18, "13": -1, "fifteen": -1, "16.2": -1} {
		t.Setenv(EnvMajor, text)
		if got, err := wantedMajor(); (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestMessageWithoutBinaries(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	env, err := exec.Command("go", "env", "GOCACHE", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := strings.Fields(string(env))
	t.Setenv("GOCACHE", caches[0])
	t.Setenv("PATH", filepath.Join(caches[1], "bin"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	t.Setenv("EMBEDDED_POSTGRES_REPOSITORY", empty.URL)
	defer func(saved []string) { places = saved }(places)
	places = nil
	t.Setenv(EnvDSN, "")
	_, err = Start(t.Context(), Options{})
	for _, want := range []string{"apt-get install postgresql", EnvDSN, "could not be downloaded"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the message lacks %q: %v", want, err)
		}
	}
}

// Callers that are interrupted are not told to install what is there.
func TestStartIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{}); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "Install") {
		t.Errorf("err = %v", err)
	}
}
