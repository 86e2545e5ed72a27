package pool

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5/stdlib"
)

// OpenDB returns a database/sql pool whose connections are the pool's: it waits where the
// pool's callers wait, and keeps none for itself. Closing it leaves the pool open. It takes no
// connection for a context with settings (reader.WithSettings), since database/sql does not say
// where a transaction ends: use the pool, or set_config in a transaction. As in a transaction of the
// pool's, settings of contexts that are used after a transaction or connection was begun without
// them do not reach it.
func OpenDB(p *Pool, options ...stdlib.OptionOpenDB) *sql.DB {
	db := sql.OpenDB(&connector{p, stdlib.GetPoolConnector(p.Pool, options...)})
	db.SetMaxIdleConns(0) // What is idle here would be missing in the pool.
	return db
}

// connector takes connections through the gate.
type connector struct {
	pool *Pool
	driver.Connector
}

// Connect implements [driver.Connector].
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if guard.From(ctx) != nil {
		return nil, errSettings("database/sql")
	}
	if err := c.pool.enter(ctx, false); err != nil {
		return nil, err
	}
	conn, err := c.Connector.Connect(ctx)
	return conn, failed(err)
}
