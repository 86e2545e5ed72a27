package main

import (
	"log"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/plancache"
)

// fleet returns where the instances add up what they use: at some addresses of Redis. If that is
// down, the instance starts cold, and on its own.
func fleet(addresses string, every time.Duration) (uses plancache.Uses, end func()) {
	end = func() {}
	if addresses == "" {
		return uses, end
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: strings.Split(addresses, ","), DisableCache: true})
	if err != nil {
		log.Print("without a fleet: ", err)
		return uses, end
	}
	store := redisstore.New(client, redisstore.Options{Namespace: "blog:"})
	return plancache.Uses{Ranking: store, Every: every}, client.Close
}
