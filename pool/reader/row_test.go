package reader_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
)

// cutter ends a connection of those it dials behind the first row that comes, when it is armed. A
// server does so that is shut down at once: it sends what it has, and goes.
type cutter struct{ armed atomic.Bool }

func (c *cutter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return &cutConn{Conn: conn, cutter: c}, err
}

type cutConn struct {
	net.Conn
	cutter *cutter
	cut    bool
}

func (c *cutConn) Read(b []byte) (int, error) {
	if c.cut {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b)
	for at := 0; at+5 <= n; { // Small results come whole.
		end := at + 1 + int(binary.BigEndian.Uint32(b[at+1:]))
		// The results of settings are rows as well: theirs come before the statement's columns.
		if b[at] == 'D' && end <= n && string(b[end-len(mark):end]) == mark && c.cutter.armed.CompareAndSwap(true, false) {
			c.cut = true
			return end, nil
		}
		at = end
	}
	return n, err
}

// mark is what a row ends with behind which a connection is cut.
const mark = "the last column"

// A result that ends in the middle is none: QueryRow has another run's, and Query an error behind
// the rows that came.
func TestRowWithoutAnEnd(t *testing.T) {
	const sql = "select $1::int, '" + mark + "'"
	settings := func(ctx context.Context) context.Context {
		return reader.WithSettings(ctx, reader.Settings{GUC: map[string]string{"app.tenant": "7"}})
	}
	for name, test := range map[string]struct {
		parameters string
		in         func(context.Context) context.Context
	}{
		"known":           {},
		"alone":           {in: reader.Alone},
		"settings":        {in: settings},
		"settings, alone": {in: func(ctx context.Context) context.Context { return settings(reader.Alone(ctx)) }},
		"describe":        {parameters: "&default_query_exec_mode=cache_describe"},
		"exec":            {parameters: "&default_query_exec_mode=exec"},
		"simple":          {parameters: "&default_query_exec_mode=simple_protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			var c cutter
			r := openOwn(t, server.DSN()+"&pool_max_conns=4"+test.parameters, func(config *pool.Config) {
				config.ConnConfig.DialFunc = c.dial
			}).Reader()
			ctx := t.Context()
			if test.in != nil {
				ctx = test.in(ctx)
			}
			var got int
			var text string
			for range 8 { // It becomes known meanwhile.
				c.armed.Store(true)
				if err := r.QueryRow(ctx, sql, 5).Scan(&got, &text); err != nil || got != 5 || text != mark {
					t.Fatalf("QueryRow: %d, %q, %v", got, text, err)
				}
				if c.armed.Load() {
					t.Fatal("QueryRow: no connection was cut")
				}
				c.armed.Store(true)
				if tag, err := r.Exec(ctx, sql, 5); err != nil || tag.RowsAffected() != 1 || c.armed.Load() {
					t.Fatalf("Exec: %v, %v, armed: %t", tag, err, c.armed.Load())
				}
				c.armed.Store(true)
				b := &pgx.Batch{}
				b.Queue(sql, 5)
				b.Queue(sql, 6)
				results := r.SendBatch(ctx, b)
				for _, want := range []int{5, 6} {
					if err := results.QueryRow().Scan(&got, &text); err != nil || got != want {
						t.Fatalf("the batch: %d, %v, want %d", got, err, want)
					}
				}
				if err := results.Close(); err != nil || c.armed.Load() {
					t.Fatalf("the batch: %v, armed: %t", err, c.armed.Load())
				}
				c.armed.Store(true)
				rows, err := r.Query(ctx, sql, 5)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for rows.Next() {
					n++
				}
				if err := rows.Err(); !errors.Is(err, io.ErrUnexpectedEOF) && !(err == nil && n == 1) || n > 1 {
					t.Fatalf("Query: %d rows, %v", n, err)
				}
				c.armed.Store(false)
			}
		})
	}
}
