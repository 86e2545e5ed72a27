//go:build !reader

package adopters

import (
	"database/sql"

	"github.com/gqlboost/gqlboost/pool"
)

// openDB is pool.OpenDB, once there is one: this file goes then.
var openDB func(*pool.Pool) *sql.DB
