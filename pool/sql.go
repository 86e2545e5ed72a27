package pool

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// OpenDB returns a database/sql pool whose connections are the pool's: it waits where the
// pool's callers wait, and keeps none for itself. Closing it leaves the pool open. It runs
// nothing in a context with settings (reader.WithSettings), since database/sql does not say
// where a transaction ends: use the pool. If SetMaxOpenConns is reached or a transaction is
// under way, the error may be driver.ErrBadConn, and the log says why. For a role or settings
// through database/sql, use set_config in a transaction, all in a context without settings.
func OpenDB(p *Pool, options ...stdlib.OptionOpenDB) *sql.DB {
	options = append([]stdlib.OptionOpenDB{stdlib.OptionResetSession(resetSession)}, options...)
	db := sql.OpenDB(&connector{p, stdlib.GetPoolConnector(p.Pool, options...)})
	db.SetMaxIdleConns(0) // What is idle here would be missing in the pool.
	return db
}

// connector takes connections through admission.
type connector struct {
	pool *Pool
	driver.Connector
}

// Connect implements [driver.Connector]. The connection is a [*stdlib.Conn], which callers of
// sql.Conn.Raw ask for, so it cannot be wrapped.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := refuseSettings(ctx, "database/sql"); err != nil {
		return nil, err
	}
	entered, err := c.pool.enter(ctx, false)
	if err != nil {
		return nil, err
	}
	conn, err := c.Connector.Connect(entered)
	if err != nil {
		return nil, failed(err)
	}
	if own, ok := conn.(*stdlib.Conn); ok {
		markWhole(own.Conn())
	}
	return conn, nil
}

// resetSession refuses settings where database/sql uses a connection again. It asks for the
// connection to be given back, and tries others, until Connect refuses. A connection that it
// hands over unused does not come here: [wholes] refuses its statements.
func resetSession(ctx context.Context, _ *pgx.Conn) error {
	if guard.From(ctx) != nil {
		return fmt.Errorf("%w (%w)", errSettings("database/sql"), driver.ErrBadConn)
	}
	return nil
}
