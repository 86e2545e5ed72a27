package redisstore_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/contrib/internal/redis"
	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/internal/proxy"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
	"github.com/redis/rueidis"
)

// through returns a proxy to a server.
func through(t *testing.T, address string) *proxy.Proxy {
	t.Helper()
	p, err := proxy.New(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// lasting returns a client that connects when it is needed.
func lasting(t testing.TB, addresses ...string) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: addresses, DisableCache: true, ForceSingleClient: len(addresses) == 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

var networks atomic.Int64

// network returns the name of a channel that no other test uses.
func network() string { return fmt.Sprint("network", networks.Add(1)) }

func TestBus(t *testing.T) {
	t.Parallel()
	server := redis.Start(t)
	bustest.Run(t, func(t *testing.T) bustest.Network {
		p, channel := through(t, server.Address), network()
		return bustest.Network{
			Connect: func(t testing.TB) bus.Transport { return redisstore.NewBus(lasting(t, p.Addr()), channel) },
			Cut:     func() { p.SetDown(true) },
			Heal:    func() { p.SetDown(false) },
			Hang:    p.SetSilent,
		}
	})
}

func TestBusOnACluster(t *testing.T) {
	t.Parallel()
	nodes := redis.StartCluster(t)
	var addresses []string
	for _, node := range nodes {
		addresses = append(addresses, node.Address)
	}
	bustest.Run(t, func(t *testing.T) bustest.Network {
		channel := network() // A node may deliver late.
		return bustest.Network{
			Connect: func(t testing.TB) bus.Transport { return redisstore.NewBus(lasting(t, addresses...), channel) },
			Cut: func() {
				for _, node := range nodes {
					node.Kill()
				}
			},
			Heal: func() {
				for _, node := range nodes {
					node.Restart()
				}
				for _, node := range nodes {
					node.WaitCluster()
				}
			},
		}
	})
	// Whichever node is killed, instances go on telling each other of what they delete.
	var links []*bus.Link
	var caches []*plancache.Results
	for range 3 {
		link, cache := instance(t, redisstore.NewBus(lasting(t, addresses...), "killed"), bus.Options{Beat: 100 * time.Millisecond})
		links, caches = append(links, link), append(caches, cache)
	}
	for i, node := range nodes {
		node.Kill()
		for j, c := range caches {
			wait.Until(t, fmt.Sprintf("without node %d, instance %d is heard", i, j), func() bool { return reaches(t, c, caches) })
		}
		node.Restart()
	}
	for _, l := range links {
		wait.Until(t, "all is well", func() bool { return !l.Health().Blind })
	}
}

// instance returns a link and a cache on it.
func instance(t *testing.T, transport bus.Transport, o bus.Options) (*bus.Link, *plancache.Results) {
	t.Helper()
	link, err := bus.New(transport, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := link.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	cache, err := plancache.NewResults(plancache.ResultsOptions{
		Bytes: 1 << 20, TTL: time.Hour, Invalidator: link, StoreTimeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	return link, cache
}

var probe = plancache.ResultKey{Query: "probe"}

// reaches reports whether an invalidation by one cache comes to all of them.
func reaches(t *testing.T, from *plancache.Results, all []*plancache.Results) bool {
	t.Helper()
	for _, c := range all {
		if _, err := c.Load(t.Context(), probe, func(context.Context) ([]byte, []string, error) {
			return []byte("x"), []string{"t"}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Invalidate(t.Context(), "t"); err != nil {
		return false
	}
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		left := 0
		for _, c := range all {
			if _, ok := c.Get(probe); ok {
				left++
			}
		}
		if left == 0 {
			return true
		}
	}
	return false
}
