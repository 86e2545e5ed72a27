package pool

import (
	"context"
	"errors"
	"testing"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
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
	if err := p.Reader().SendBatch(t.Context(), nil).Close(); err == nil {
		t.Error("the Reader sent a nil batch")
	}
	if _, err := p.CopyFrom(t.Context(), pgx.Identifier{"pg_class"}, []string{"relname"}, nil); err == nil {
		t.Error("a nil source was copied")
	}
	for way, try := range ways(p) {
		if err := try(none); !errors.Is(err, guard.ErrNoContext) {
			t.Errorf("%s with a nil context: %v", way, err)
		}
	}
	if rows, err := p.Reader().Query(none, "select 1"); !errors.Is(err, guard.ErrNoContext) || !errors.Is(rows.Err(), guard.ErrNoContext) {
		t.Errorf("the Reader with a nil context: %v", err)
	}
	if err := p.Ping(t.Context()); err != nil { // The only connection is free.
		t.Error(err)
	}
}
