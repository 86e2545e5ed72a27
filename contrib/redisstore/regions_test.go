package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/contrib/internal/redis"
	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/internal/proxy"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
)

// region is a server, and two instances that have a way of their own to it, as the bridge has.
type region struct {
	server  *redis.Server
	ways    []*proxy.Proxy // of the instances, and of the bridge
	stores  []*redisstore.Store
	links   []*bus.Link
	results []*plancache.Results
	plans   []*plancache.Cache[string]
}

// regional are options by which loss is noticed soon, and not by a busy machine.
func regional(other string) bus.Options {
	return bus.Options{
		Beat: 100 * time.Millisecond, Silence: 1500 * time.Millisecond, BlindFor: 500 * time.Millisecond, Forget: time.Hour,
		Regions: []string{other},
	}
}

func newRegion(t *testing.T, other string) *region {
	r := &region{server: redis.Start(t)}
	for range 3 {
		r.ways = append(r.ways, through(t, r.server.Address))
	}
	for _, way := range r.ways[:2] {
		store := redisstore.New(lasting(t, way.Addr()), redisstore.Options{})
		o := regional(other)
		o.Before = store.Remove
		link, results := instance(t, redisstore.NewBus(lasting(t, way.Addr()), ""), o)
		plans, err := plancache.New(plancache.Options[string]{
			Schema: "1", TTL: time.Hour, Codec: text{}, Store: store, Invalidator: link, StoreTimeout: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { plans.Close() })
		r.stores, r.links = append(r.stores, store), append(r.links, link)
		r.results, r.plans = append(r.results, results), append(r.plans, plans)
	}
	return r
}

// side is the bridge's end in a region.
func (r *region) side(t *testing.T, name string) bus.Side {
	way := r.ways[2]
	o := regional("")
	o.Regions = nil
	o.Before = redisstore.New(lasting(t, way.Addr()), redisstore.Options{}).Remove
	return bus.Side{Name: name, Transport: redisstore.NewBus(lasting(t, way.Addr()), ""), Options: o}
}

// twoRegions returns two regions that hear each other.
func twoRegions(t *testing.T) [2]*region {
	t.Helper()
	regions := [2]*region{newRegion(t, "b"), newRegion(t, "a")}
	b, err := bus.NewBridge(regions[0].side(t, "a"), regions[1].side(t, "b"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	allSee(t, regions)
	return regions
}

func allSee(t *testing.T, regions [2]*region) {
	t.Helper()
	for _, r := range regions {
		for _, l := range r.links {
			wait.Until(t, "all is well", func() bool { return !l.Health().Blind })
		}
	}
}

// A plan that is deleted in one region is deleted in the second level of the other one, too,
// also if that could not be heard of at first.
func TestPlansOfTwoRegions(t *testing.T) {
	t.Parallel()
	regions := twoRegions(t)
	var version atomic.Int64
	load := func(c *plancache.Cache[string], q string) string {
		plan, err := c.Load(t.Context(), plancache.Key{Query: q}, func(context.Context) (string, error) {
			return fmt.Sprint("plan ", version.Load()), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	for _, cut := range []bool{false, true} {
		query := fmt.Sprintf("{ q%v }", cut)
		version.Store(1)
		for _, r := range regions {
			for _, c := range r.plans {
				wait.Until(t, "it is there", func() bool { return load(c, query) == "plan 1" })
			}
		}
		if cut {
			regions[1].ways[2].SetSilent(true)
			wait.Until(t, "it is seen", func() bool { return regions[1].links[0].Health().Blind })
		}
		version.Store(2)
		if err := regions[0].plans[0].Delete(t.Context(), plancache.Key{Query: query}); err != nil {
			t.Error(err)
		}
		regions[1].ways[2].SetSilent(false)
		for i, r := range regions {
			for j, c := range r.plans {
				what := fmt.Sprintf("cut %v: instance %d of region %d has the new plan", cut, j, i)
				wait.Until(t, what, func() bool { return load(c, query) == "plan 2" })
			}
		}
		allSee(t, regions)
		for i, r := range regions {
			for j, c := range r.plans {
				c.Purge() // What comes now is of the second level.
				if got := load(c, query); got != "plan 2" {
					t.Errorf("cut %v: instance %d of region %d got %q", cut, j, i, got)
				}
			}
		}
	}
}

// Values change while two regions read them through caches, and all ways are cut at random. What
// is stale goes away while a way is cut, and nothing is stale when none is.
func TestResultsOfTwoRegions(t *testing.T) {
	t.Parallel()
	regions := twoRegions(t)
	const values = 20
	var versions [values]atomic.Int64
	read := func(c *plancache.Results, value int) (stale bool) {
		now := versions[value].Load()
		data, err := c.Load(t.Context(), plancache.ResultKey{Query: strconv.Itoa(value)},
			func(context.Context) ([]byte, []string, error) {
				return strconv.AppendInt(nil, versions[value].Load(), 10), []string{strconv.Itoa(value)}, nil
			})
		version, bad := strconv.ParseInt(string(data), 10, 64)
		if err != nil || bad != nil {
			t.Error(err, bad)
		}
		return version < now
	}
	all := append(append([]*plancache.Results(nil), regions[0].results...), regions[1].results...)
	ways := append(append([]*proxy.Proxy(nil), regions[0].ways...), regions[1].ways...)
	write := func(value int, c *plancache.Results) {
		versions[value].Add(1)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_ = c.Invalidate(ctx, strconv.Itoa(value)) // A link that is cut brings it later.
	}

	// One way is cut for as long as it takes.
	read(all[0], 0)
	read(all[3], 0)
	ways[2].SetSilent(true)
	write(0, all[0])
	wait.Until(t, "the other region's stale value goes away while the way is cut", func() bool { return !read(all[3], 0) })
	ways[2].SetSilent(false)
	allSee(t, regions)

	lasts := 4 * time.Second
	if os.Getenv("GQLBOOST_LONG") != "" {
		lasts = 2 * time.Minute
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	var reads, stale atomic.Int64
	for _, c := range all {
		running.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				if n%20 == 0 {
					write(rand.IntN(values), c)
				}
				reads.Add(1)
				if read(c, rand.IntN(values)) {
					stale.Add(1)
				}
			}
		})
	}
	for end := time.Now().Add(lasts); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		way := ways[rand.IntN(len(ways))]
		switch rand.IntN(4) {
		case 0:
			way.SetSilent(true)
		case 1:
			way.SetDown(true)
		default:
			way.SetSilent(false)
			way.SetDown(false)
		}
	}
	close(stop)
	running.Wait()
	for _, way := range ways {
		way.SetSilent(false)
		way.SetDown(false)
	}
	allSee(t, regions)
	for i, c := range all {
		for value := range values {
			what := fmt.Sprintf("value %d of instance %d is right", value, i)
			wait.Until(t, what, func() bool { return !read(c, value) })
		}
	}
	t.Logf("%d reads, %d of them stale while ways were cut", reads.Load(), stale.Load())
	if stale.Load() == 0 {
		t.Error("nothing was ever stale: nothing was cut")
	}
}
