package redisstore_test

import (
	"encoding/json"

	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/plancache"
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
