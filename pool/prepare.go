package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// preparation prepares statements on each new connection.
type preparation struct {
	statements []string
	kept       bool // in other modes nothing stays prepared: a pooler may give the session to others
}

// prepare prepares all of them. What Postgres refuses is left out: New has told of it, if
// it warms, and a table that is dropped later must not keep connections from being opened.
func (p *preparation) prepare(ctx context.Context, conn *pgx.Conn) error {
	if !p.kept {
		return nil
	}
	err := p.prepareAll(ctx, conn)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && !conn.IsClosed() {
		return nil
	}
	return err
}

// prepareAll prepares all of them, or only asks Postgres whether it could.
func (p *preparation) prepareAll(ctx context.Context, conn *pgx.Conn) (err error) {
	for _, sql := range p.statements {
		name := ""
		if p.kept {
			name = sql // pgx finds it under its own text.
		}
		if _, e := conn.Prepare(ctx, name, sql); e != nil {
			err = errors.Join(err, fmt.Errorf("preparing %.60q: %w", sql, e))
			if conn.IsClosed() {
				break
			}
		}
	}
	return err
}

// failed takes in an error of a query. pgx does not prepare a statement again that it was
// told to prepare, so the connection must go when the schema has changed.
func (p *preparation) failed(conn *pgx.Conn, err error) {
	var e *pgconn.PgError
	if place := placeOf(conn); place != nil && errors.As(err, &e) && reader.Stale(e) {
		place.stale = true
	}
}

// good reports whether a connection may be used again.
func (p *preparation) good(conn *pgx.Conn) bool {
	place := placeOf(conn)
	return place == nil || !place.stale
}
