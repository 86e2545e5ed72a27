package redisstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/lifecycle"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/redis/rueidis"
)

type Plan struct{ Steps []string }

type planCodec struct{}

func (planCodec) Encode(p *Plan) ([]byte, error)       { return json.Marshal(p) }
func (planCodec) Decode(b []byte) (p *Plan, err error) { err = json.Unmarshal(b, &p); return p, err }

// All instances of a server share their plans: what one has built, the others fetch.
func Example() {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"localhost:6379"}})
	if err != nil {
		return
	}
	defer client.Close()
	cache, err := plancache.New(plancache.Options[*Plan]{
		Schema: plancache.HashSchema("type Query { me: User }"),
		Codec:  planCodec{},
		Store:  redisstore.New(client, redisstore.Options{Namespace: "shop:plan:"}),
	})
	if err != nil {
		return
	}
	defer cache.Close()
}

// A new instance takes what its fleet uses most before it is ready, and instances that start
// together build each plan once.
func ExampleStore_warm() {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"localhost:6379"}})
	if err != nil {
		return
	}
	defer client.Close()
	store := redisstore.New(client, redisstore.Options{Namespace: "shop:plan:"})
	cache, err := plancache.New(plancache.Options[*Plan]{
		Schema: plancache.HashSchema("type Query { me: User }"), Codec: planCodec{}, Store: store, Lease: time.Second,
	})
	if err != nil {
		return
	}
	defer cache.Close()
	if err := cache.Share(plancache.Uses{Ranking: store}); err != nil {
		return
	}
	life, err := lifecycle.New(lifecycle.Options{})
	if err != nil {
		return
	}
	build := func(context.Context, plancache.Key) (*Plan, error) { return &Plan{}, nil } // as for a client's query
	err = life.Add(lifecycle.Component{Name: "plans", Warm: func(ctx context.Context) error {
		warmed, err := cache.WarmShared(ctx, plancache.WarmOptions{}, build)
		fmt.Printf("%+v", warmed)
		return err
	}})
	_ = err // A server goes on with life.Run.
}

// Instances divide the connections of a Postgres server where they can write no table.
func ExamplePoolShares() {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"localhost:6379"}})
	if err != nil {
		return
	}
	defer client.Close()
	config, err := pool.ParseConfig("postgres://app@localhost/shop?pool_lease=shop&pool_max_conns=100")
	if err != nil {
		return
	}
	config.Lease.Store = redisstore.NewPoolShares(client, "shop:pool:")
	config.Lease.OnError = func(err error) { fmt.Println("the last share stays:", err) }
	db, err := pool.NewWithConfig(context.Background(), config)
	if err != nil {
		return
	}
	defer db.Close()
}
