package pool

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/jackc/pgx/v5"
)

// Warm opens as many connections as there may be, if fewer than MinConns.
func TestWarmWithinTheBudget(t *testing.T) {
	replica := "&pool_reader_replicas=" + url.QueryEscape(server.DSN()) // The primary has half of them.
	for parameters, want := range map[string]int32{
		"pool_min_conns=3&pool_max_conns=2":           2,
		"pool_min_conns=5&pool_max_conns=8" + replica: 4,
		"pool_min_conns=3&pool_max_conns=8":           3,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p, err := New(ctx, server.DSN()+"&pool_warm=true&"+parameters)
		if err != nil {
			t.Errorf("%s: %v", parameters, err)
			continue
		}
		// pgxpool opens MinConns at the same time.
		if s := p.Stat(); s.IdleConns() < want || s.TotalConns() > s.MaxConns() {
			t.Errorf("%s: %d connections are ready, want %d", parameters, s.IdleConns(), want)
		}
		p.Close()
	}
}

// What the pool asks for itself does not go through hooks that need something of a caller.
func TestHooksThatNeedACaller(t *testing.T) {
	type tenant struct{}
	p := openOwn(t, server.DSN()+"&pool_max_conns=4&pool_warm=true&pool_server_share=0.5", func(c *Config) {
		c.PrepareConn = func(ctx context.Context, _ *pgx.Conn) (bool, error) {
			if ctx.Value(tenant{}) == nil {
				return true, errors.New("no tenant")
			}
			return true, nil
		}
	})
	wait.Until(t, "the server was asked for its connections", func() bool { return p.admission.capacity.Load() > 0 })
	if err := p.Ping(context.WithValue(t.Context(), tenant{}, 1)); err != nil {
		t.Error(err)
	}
}
