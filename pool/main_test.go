package pool

import (
	"os"
	"testing"

	"github.com/gqlboost/gqlboost/internal/postgres"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Main(m, func(s *postgres.Server) {
		server = s
		os.Setenv("GQLBOOST_EXAMPLE_DSN", s.DSN()) // Examples are of another package.
	}))
}
