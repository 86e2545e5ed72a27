package pgnotify_test

import (
	"context"
	"os"

	"github.com/gqlboost/gqlboost/contrib/pgnotify"
	"github.com/gqlboost/gqlboost/plancache"
)

type Plan struct{ Run func(context.Context) error }

// What one instance of a server deletes from its cache, all lose, over Postgres.
func Example() {
	bus, err := pgnotify.New(os.Getenv("DATABASE_URL"), pgnotify.Options{})
	if err != nil {
		return
	}
	defer bus.Close()
	cache, err := plancache.New(plancache.Options[*Plan]{Invalidator: bus})
	if err != nil {
		return
	}
	defer cache.Close()
}
