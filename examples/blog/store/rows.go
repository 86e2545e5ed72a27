package store

import (
	"context"

	"github.com/gqlboost/gqlboost/arena"
)

// memory returns where the rows of a query are put, and their texts; nil is the heap.
func (s *Store) memory(ctx context.Context) *arena.Arena {
	if s.Arena == nil {
		return nil
	}
	return s.Arena(ctx)
}

// appendTo appends a copy of a row.
func appendTo[T any](a *arena.Arena, list []*T, row *T) []*T {
	if a == nil {
		return append(list, copyOf(a, row))
	}
	return arena.Append(a, list, copyOf(a, row))
}

// copyOf returns a copy of a row.
func copyOf[T any](a *arena.Arena, row *T) *T {
	if a == nil {
		copied := *row
		return &copied
	}
	copied := arena.Alloc[T](a)
	*copied = *row
	return copied
}

// texts is where columns of texts are scanned to.
type texts struct{ arena *arena.Arena }

// to returns the target of a column.
func (t texts) to(s *string) any {
	if t.arena == nil {
		return s
	}
	return &arenaText{t.arena, s}
}

// arenaText is a target whose text lies in an arena.
type arenaText struct {
	arena *arena.Arena
	text  *string
}

// ScanBytes is what pgx calls with what came from Postgres.
func (t *arenaText) ScanBytes(b []byte) error {
	*t.text = t.arena.String(b)
	return nil
}
