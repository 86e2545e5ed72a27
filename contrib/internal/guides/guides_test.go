package guides

import (
	"context"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/loopback"
	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/internal/wait"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) { server = s }))
}

const root = "../../.."

// block is a fenced block of a page.
type block struct{ language, text string }

func (b block) program() bool {
	return b.language == "go" && strings.HasPrefix(b.text, "package main\n")
}
func (b block) serves() bool { return strings.Contains(b.text, "http.ListenAndServe") }

var fence = regexp.MustCompile("(?ms)^ *```(\\w+)\n(.*?)^ *```$")

// blocks returns those of a page.
func blocks(t *testing.T, file string) (list []block) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		list = append(list, block{m[1], m[2]})
	}
	return list
}

// pages calls use with each Markdown file and its blocks.
func pages(t *testing.T, use func(name string, list []block)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == "out" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if err == nil && filepath.Ext(file) == ".md" {
			use(strings.TrimPrefix(file, root+"/"), blocks(t, file))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// command returns a command with the environment that pages ask their readers for.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DATABASE_URL="+server.DSN())
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// build compiles a program with the requirements of this module.
func build(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	file, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "main")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	// Without symbols: linking is what takes the time.
	run(t, command(t.Context(), ".", "go", "build", "-ldflags=-s -w", "-o", program, file))
	return program
}

const address = "127.0.0.1:8080" // of the servers in pages

// Servers answer the page's request.
func TestServers(t *testing.T) {
	servers := 0
	pages(t, func(name string, list []block) {
		for i, b := range list {
			if b.program() && b.serves() {
				servers++
				t.Run(name, func(t *testing.T) {
					own := loopback.FreeAddress(t)
					program := build(t, strings.ReplaceAll(b.text, address, own))
					serve(t, command(t.Context(), ".", program), own, address, list[i+1:])
				})
			}
		}
	})
	if servers < 2 {
		t.Errorf("%d servers were found", servers)
	}
}

// serve starts a server that listens at own, sends the request that comes next in a page, with
// own for the page's address, and compares the response with the one in the page.
func serve(t *testing.T, cmd *exec.Cmd, own, address string, list []block) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // It was killed.
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	wait.Until(t, "the server to listen", func() bool {
		c, err := net.Dial("tcp", own)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	request, response := "", ""
	for _, b := range list {
		for line := range strings.Lines(b.text) {
			if request == "" && b.language == "sh" && strings.HasPrefix(line, "curl ") {
				request = strings.ReplaceAll(line, address, own)
			}
		}
		if request != "" && b.language == "json" {
			response = b.text
			break
		}
	}
	if response == "" {
		t.Fatal("the page has no request, or no response after it")
	}
	got := run(t, command(t.Context(), ".", "sh", "-c", request))
	if strings.TrimSpace(got) != strings.TrimSpace(response) {
		t.Errorf("got\n%s\nwant\n%s", got, response)
	}
}

// The quick start of gqlgen is a diff against what gqlgen init writes.
func TestGqlgen(t *testing.T) {
	const page = root + "/docs/quickstart/gqlgen.md"
	dir, list := t.TempDir(), blocks(t, page)
	goRun := func(args ...string) {
		cmd := command(t.Context(), dir, "go", args...)
		cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod", "GOWORK=off")
		run(t, cmd)
	}
	requirements(t, dir)
	goRun("run", "github.com/99designs/gqlgen", "init")
	for _, b := range list {
		if b.language == "diff" {
			cmd := command(t.Context(), dir, "git", "apply", "-")
			cmd.Stdin = strings.NewReader(b.text)
			run(t, cmd)
		}
	}
	goRun("run", "github.com/gqlboost/gqlboost/contrib/gqlgen/compile/cmd/gqlgen-compile")
	program := filepath.Join(dir, "program")
	goRun("build", "-ldflags=-s -w", "-o", program, ".")
	own := loopback.FreeAddress(t)
	_, port, _ := net.SplitHostPort(own)
	cmd := command(t.Context(), dir, program)
	cmd.Env = append(cmd.Env, "PORT="+port)
	serve(t, cmd, own, "localhost:8080", list)
}

// requirements makes a module of a directory, which requires what this one does and this one.
func requirements(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile("../../" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	edits := []string{"mod", "edit", "-module=example.com/blog", "-require=github.com/gqlboost/gqlboost/contrib@v0.0.0"}
	for _, own := range []string{"", "/contrib"} {
		from, err := filepath.Abs(root + own)
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, "-replace=github.com/gqlboost/gqlboost"+own+"="+from)
	}
	run(t, command(t.Context(), dir, "go", edits...))
}
