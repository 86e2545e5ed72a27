package reader_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/pool"
)

var server *postgres.Server

// long makes tests of what is rare run for as long as it takes (make test-long).
var long = os.Getenv("GQLBOOST_LONG") != ""

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) {
		server = s
		os.Setenv("GQLBOOST_EXAMPLE_DSN", s.DSN())
	}))
}

// openAt is where open opens, if not at the server's own address.
var openAt string

func open(t testing.TB, parameters string) *pool.Pool {
	t.Helper()
	dsn := server.DSN()
	if openAt != "" {
		dsn = openAt
	}
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	p, err := pool.New(t.Context(), dsn+separator+parameters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// crowd runs f from many goroutines, so that they share connections.
func crowd(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// crowdWhile runs f from n goroutines, so often each, and for as long as there is more to do: on a
// busy machine what is to be tested takes longer to happen.
func crowdWhile(n, each int, more func() bool, f func(i, j int)) {
	deadline := time.Now().Add(30 * time.Second)
	crowd(n, func(i int) {
		for j := 0; j < each || more() && time.Now().Before(deadline); j++ {
			f(i, j)
		}
	})
}

// startOwn starts a server that the test may break.
func startOwn(t *testing.T, settings map[string]string) *postgres.Server {
	t.Helper()
	all := postgres.Volatile()
	for k, v := range settings {
		all[k] = v
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	own, err := postgres.Start(ctx, postgres.Options{Settings: all})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Stop() })
	return own
}

// startReplica starts a replica of a server.
func startReplica(t *testing.T, of *postgres.Server) *postgres.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	replica, err := of.Replica(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { replica.Stop() })
	return replica
}

// openOwn opens a pool on a server.
func openOwn(t *testing.T, dsn string, change func(*pool.Config)) *pool.Pool {
	t.Helper()
	c, err := pool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(c)
	}
	p, err := pool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// config is the configuration of the test's server.
func config(t testing.TB, parameters string) *pool.Config {
	t.Helper()
	c, err := pool.ParseConfig(server.DSN() + "&" + parameters)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openConfig(t testing.TB, c *pool.Config) *pool.Pool {
	t.Helper()
	p, err := pool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
