package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const clientsDir = "testdata/clients"

// install gets the clients, unless there is nothing to get them with.
func install(t *testing.T, ctx context.Context) {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("npm is missing")
		}
		t.Skip("install Node.js 20 with npm (Debian's packages nodejs and npm) to test with real clients")
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund")
	cmd.Dir = clientsDir
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, output)
	}
}

// all returns all servers.
func all() map[string]*httptest.Server {
	list := maps.Clone(others)
	list["baseline"] = baseline
	return list
}

func node(t *testing.T, ctx context.Context, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = clientsDir
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return output
}

// Clients in JavaScript read and write, and a suite of GraphQL over HTTP finds no error.
func TestClients(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	install(t, ctx)
	for name, s := range all() {
		for _, client := range []string{"apollo", "urql", "graphql-request"} {
			t.Run(name+"/"+client, func(t *testing.T) {
				var got [2]fields
				if err := json.Unmarshal(node(t, ctx, "clients.mjs", client, s.URL+"/graphql"), &got); err != nil {
					t.Fatal(err)
				}
				user, _ := got[0]["user"].(fields)
				comment, _ := got[1]["addComment"].(fields)
				if user["id"] != "1" || user["__typename"] != "User" || len(user["posts"].([]any)) != 2 || comment["body"] != "from "+client+`: é "\ <&>` {
					t.Errorf("got %v", got)
				}
			})
		}
		t.Run(name+"/audit", func(t *testing.T) {
			var results []struct{ Name, Status, Reason string }
			if err := json.Unmarshal(node(t, ctx, "clients.mjs", "audit", s.URL+"/graphql"), &results); err != nil {
				t.Fatal(err)
			}
			good := 0
			for _, r := range results {
				switch r.Status {
				case "ok":
					good++
				case "error":
					t.Errorf("%s: %s", r.Name, r.Reason)
				}
			}
			t.Logf("%d of %d audits are good", good, len(results))
			if good < 50 {
				t.Errorf("only %d of %d audits are good", good, len(results))
			}
		})
	}
}

// GraphiQL shows the schema and runs a query.
func TestGraphiQL(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil { // Ubuntu's name.
		chromium, err = exec.LookPath("chromium-browser")
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is missing")
		}
		t.Skip("install Chromium (Debian's package chromium) to test with GraphiQL")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	install(t, ctx)
	for name, s := range all() {
		t.Run(name, func(t *testing.T) {
			target, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			mux := http.NewServeMux()
			mux.Handle("/graphql", httputil.NewSingleHostReverseProxy(target))
			mux.Handle("/", http.FileServer(http.Dir(clientsDir)))
			page := httptest.NewServer(mux)
			defer page.Close()
			screenshot := filepath.Join(t.ArtifactDir(), name+".png")
			text := string(node(t, ctx, "graphiql.mjs", chromium, page.URL+"/page.html", screenshot))
			if !strings.Contains(text, "followerCount") || !strings.Contains(text, "posts") || strings.Contains(text, "errors") {
				t.Errorf("it shows %s", text)
			}
		})
	}
}
