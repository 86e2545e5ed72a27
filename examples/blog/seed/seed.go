// Package seed fills an empty database with the blog's tables and data. The same
// scale makes the same rows, on every machine and in every run.
package seed

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

//go:embed indexes.sql
var indexes string

// ErrSeeded is returned when the tables exist already.
var ErrSeeded = errors.New("the database has the blog's tables already")

// Counts are the rows of the tables at a scale.
type Counts struct{ Users, Posts, Comments, Tags, Follows int }

// At returns the counts of a scale; scale 1 has 10 000 users.
func At(scale float64) Counts {
	n := func(atOne float64) int { return max(20, int(math.Round(atOne*scale))) }
	return Counts{Users: n(10_000), Posts: n(50_000), Comments: n(200_000), Tags: min(400, n(2_000)), Follows: n(100_000)}
}

// Fill makes the tables and their rows. On an error the database is left as it
// was, except by one in the final analysis of the tables.
func Fill(ctx context.Context, conn *pgx.Conn, scale float64) (Counts, error) {
	counts := At(scale)
	if !(scale > 0 && scale <= 1000) {
		return counts, fmt.Errorf("scale %v is not between 0 and 1000", scale)
	}
	var exists bool
	if err := conn.QueryRow(ctx, "select to_regclass('comments') is not null").Scan(&exists); err != nil {
		return counts, err
	}
	if exists {
		return counts, ErrSeeded
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, schema); err != nil {
			return err
		}
		for _, table := range tables(counts) {
			source := &rowSource{count: table.count, row: table.row}
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{table.name}, table.columns, source); err != nil {
				return fmt.Errorf("%s: %w", table.name, err)
			}
		}
		_, err := tx.Exec(ctx, indexes)
		return err
	})
	if err != nil {
		return counts, err
	}
	// The vacuum sets the visibility map, so that counts need an index alone.
	_, err = conn.Exec(ctx, "vacuum analyze")
	return counts, err
}

// rowSource feeds COPY one generated row at a time.
type rowSource struct {
	count, next int
	row         func(i int) []any
}

func (s *rowSource) Next() bool             { s.next++; return s.next <= s.count }
func (s *rowSource) Values() ([]any, error) { return s.row(s.next), nil }
func (s *rowSource) Err() error             { return nil }
