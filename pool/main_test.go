package pool

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
)

var server *postgres.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var err error
	if server, err = postgres.Start(ctx, postgres.Options{Settings: postgres.Volatile()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer server.Stop()
	os.Setenv("GQLBOOST_EXAMPLE_DSN", server.DSN()) // Examples are of another package.
	return m.Run()
}
