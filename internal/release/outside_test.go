package main

import (
	"context"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/internal/loopback"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
)

// outside is the world of somebody who installs what is in the working tree: without the
// tree, a workspace or replaced modules, and with a module cache that is empty at first.
type outside struct {
	tree    tree
	version string
	temp    string
	env     []string // of the go command
	servers []string // environment of programs: where they find Postgres and Redis

	mu   sync.Mutex
	used map[string]bool // packages that programs have imported
}

// newOutside serves the working tree by a module proxy. What others have published comes
// from the module cache of the machine, and otherwise from where the go command gets it.
func newOutside(t *testing.T) *outside {
	t.Helper()
	tree, err := openTree(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	o := &outside{tree: tree, temp: t.TempDir(), used: map[string]bool{}}
	if o.version, err = tree.version(); err != nil {
		t.Fatal(err)
	}
	if err := tree.writeProxy(t.Context(), filepath.Join(o.temp, "proxy")); err != nil {
		t.Fatal(err)
	}
	var ours struct{ GOPROXY, GOMODCACHE, GOFLAGS string }
	text, err := command(t.Context(), ".", nil, "go", "env", "-json", "GOPROXY", "GOMODCACHE", "GOFLAGS")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &ours); err != nil {
		t.Fatal(err)
	}
	proxies := []string{fileURL(o.temp, "proxy"), fileURL(ours.GOMODCACHE, "cache", "download"), ours.GOPROXY}
	o.env = []string{
		"GOWORK=off", "GOPRIVATE=", "GONOPROXY=", "GONOSUMDB=" + library,
		"GOPROXY=" + strings.Join(proxies, ","),
		"GOMODCACHE=" + filepath.Join(o.temp, "modules"),
		"GOBIN=" + filepath.Join(o.temp, "bin"),
		// Without paths in the packages, the build cache has them for the next time. No
		// -mod=mod: a requirement or checksum that is missing would be added in silence, as
		// readers of the pages do not have it.
		"GOFLAGS=" + strings.TrimSpace(ours.GOFLAGS+" -modcacherw -trimpath"),
	}
	return o
}

func fileURL(elements ...string) string {
	return "file://" + filepath.ToSlash(filepath.Join(elements...))
}

// serve starts what programs find in their environment.
func (o *outside) serve(t *testing.T) {
	t.Helper()
	server, err := postgres.Start(t.Context(), postgres.Options{Settings: postgres.Volatile()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	o.servers = []string{"DATABASE_URL=" + server.DSN(), "REDIS_ADDRESS=" + startRedis(t)}
}

func startRedis(t *testing.T) string {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	port := freePort(t)
	address := "127.0.0.1:" + port
	cmd := exec.Command(binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	start(t, cmd)
	wait.Until(t, "Redis answers", func() bool { return answers(address) })
	return address
}

// start starts a command that is killed when the test ends.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(loopback.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func answers(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// module writes an empty module with some files, gets the packages of ours that they import,
// one by one, and then what else they import.
func (o *outside) module(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/outside\n\ngo 1.26\n")
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
		if filepath.Ext(name) != ".go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err == nil && strings.HasPrefix(path, library) {
				o.run(t, dir, "go", "get", path+"@"+o.version)
			}
		}
		o.run(t, dir, "go", "mod", "tidy")
	}
	return dir
}

// run runs a command of the outside and returns what it prints.
func (o *outside) run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), dir, append(o.env, o.servers...), name, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

var listens = regexp.MustCompile(`(ListenAndServe\("[^"]*:)\d+"`)

// program builds the program in a folder, runs it and compares its output with the one that
// the source ends with. One that listens must come to answer.
func (o *outside) program(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, "main.go")
	source := read(t, file)
	port := freePort(t)
	serves := listens.MatchString(source)
	write(t, file, listens.ReplaceAllString(source, "${1}"+port+`"`))
	binary := filepath.Join(dir, "program")
	o.run(t, dir, "go", "build", "-ldflags=-s -w", "-o", binary, ".") // Linking is what takes the time.
	o.use(o.run(t, dir, "go", "list", "-f", `{{join .Imports "\n"}}`, "./..."))
	if serves {
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), o.servers...)
		start(t, cmd)
		wait.Until(t, "the program listens", func() bool { return answers("127.0.0.1:" + port) })
		return
	}
	if got, want := strings.TrimSpace(o.run(t, dir, binary)), output(source); want != "" && got != want {
		t.Errorf("it prints %q, want %q", got, want)
	}
}

// use notes which packages were imported.
func (o *outside) use(list string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for path := range strings.FieldsSeq(list) {
		o.used[path] = true
	}
}

var outputs = regexp.MustCompile(`// Output:((?:.*\n\s*//)*.*)`)

// output returns the text of the comment that says what a program prints, as in examples.
func output(source string) string {
	match := outputs.FindStringSubmatch(source)
	if match == nil {
		return ""
	}
	var lines []string
	for line := range strings.SplitSeq(match[1], "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "//")
		lines = append(lines, strings.TrimPrefix(line, " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// packages returns the import paths of the packages of the published modules that others
// can import.
func (t tree) packages(ctx context.Context) (paths []string, err error) {
	for _, dir := range published {
		list, err := command(ctx, t.path(dir), nil, "go", "list", "-f", "{{.Name}} {{.ImportPath}}", "./...")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(list) {
			var name, path string
			if _, err := fmt.Sscan(line, &name, &path); err != nil {
				return nil, err
			}
			if name != "main" && !strings.Contains(path, "/internal/") {
				paths = append(paths, path)
			}
		}
	}
	return paths, nil
}
