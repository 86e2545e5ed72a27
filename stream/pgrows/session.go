package pgrows

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// session is what the text of a nested value may depend on besides its bytes. Rows that have
// left their connection, such as those of a pool.Reader, implement it themselves.
type session interface {
	// CatalogRows runs a query of the system catalogs on another connection to the same
	// server, and returns the values in text. It may remember what it has returned.
	CatalogRows(ctx context.Context, sql string) ([][][]byte, error)
	// ParameterStatus returns DateStyle, IntervalStyle, TimeZone or client_encoding, as
	// Postgres reports it.
	ParameterStatus(name string) (string, error)
}

var errNoSession = errors.New("the connection of the rows is not known, nor are its types, DateStyle and TimeZone: cast the value to text")

// sessionOf returns the session of rows, nil if they do not tell it.
func sessionOf(rows pgx.Rows) session {
	if s, ok := rows.(session); ok {
		return s
	}
	if conn := rows.Conn(); conn != nil {
		return connected{conn}
	}
	return nil
}

// checkEncoding refuses text in another encoding than that of JSON. A database without one
// (SQL_ASCII) may have UTF-8; what is not is treated as the writer's options say.
func checkEncoding(s session) error {
	if s == nil {
		return nil
	}
	switch encoding, err := s.ParameterStatus("client_encoding"); {
	case err != nil:
		return err
	case encoding != "" && encoding != "UTF8" && encoding != "SQL_ASCII":
		return fmt.Errorf("pgrows: the session has client_encoding = %s, and JSON is UTF8: reset it", encoding)
	}
	return nil
}

// connected is the session of rows that are on their connection, which is busy with them.
type connected struct{ conn *pgx.Conn }

// CatalogRows opens a connection with the configuration of the rows'.
func (c connected) CatalogRows(ctx context.Context, sql string) (rows [][][]byte, err error) {
	conn, err := pgconn.ConnectConfig(ctx, &c.conn.Config().Config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		rows = append(rows, r.Rows...)
	}
	return rows, nil
}

// ParameterStatus implements session.
func (c connected) ParameterStatus(name string) (string, error) {
	return c.conn.PgConn().ParameterStatus(name), nil
}
