package pool

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What would panic on a goroutine of pgx's, or keep a connection forever, is an error.
func TestMisuse(t *testing.T) {
	var none context.Context
	p := open(t, "pool_max_conns=1")
	if other, err := NewWithConfig(none, p.Config()); err == nil {
		other.Close()
		t.Error("a pool was made with a nil context")
	}
	if err := p.SendBatch(t.Context(), nil).Close(); err == nil {
		t.Error("a nil batch was sent")
	}
	if _, err := p.CopyFrom(t.Context(), pgx.Identifier{"pg_class"}, []string{"relname"}, nil); err == nil {
		t.Error("a nil source was copied")
	}
	if err := p.Ping(t.Context()); err != nil { // The only connection is free.
		t.Error(err)
	}
}
