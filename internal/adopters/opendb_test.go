package adopters

import "github.com/gqlboost/gqlboost/pool"

var openDB = pool.OpenDB
