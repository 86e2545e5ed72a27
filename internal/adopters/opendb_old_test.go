//go:build !reader

package adopters

import (
	"database/sql"

	"github.com/gqlboost/gqlboost/pool"
)

// openDB becomes pool.OpenDB; then delete this file.
var openDB func(*pool.Pool) *sql.DB
