package natsbus_test

import (
	"time"

	"github.com/gqlboost/gqlboost/contrib/natsbus"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/nats-io/nats.go"
)

// What one instance of a server invalidates, all lose, over NATS.
func Example() {
	conn, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1))
	if err != nil {
		return
	}
	defer conn.Close()
	link, err := bus.New(natsbus.New(conn, "shop.invalidations"), bus.Options{})
	if err != nil {
		return
	}
	defer link.Close()
	results, err := plancache.NewResults(plancache.ResultsOptions{Bytes: 64 << 20, TTL: time.Minute, Invalidator: link})
	if err != nil {
		return
	}
	defer results.Close()
}
