package bus_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
)

// history is a database with the versions of its values, and when each one was replaced.
type history struct {
	mu     sync.Mutex
	writes [values][]time.Time // when the invalidation of version i was asked for
}

const values = 20

// write makes a new version, which is there before it is published.
func (h *history) write(i int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes[i] = append(h.writes[i], time.Now())
}

func (h *history) read(i int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.writes[i])
}

// age returns for how long a version has been stale at some time.
func (h *history) age(i, version int, at time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if version >= len(h.writes[i]) {
		return 0
	}
	return at.Sub(h.writes[i][version])
}

// fleet is two regions, with a bridge or two, and four instances with caches.
type fleet struct {
	wires   []*bustest.Wire
	links   []*bus.Link
	bridges []*bus.Bridge
	caches  []*plancache.Results
	lossy   atomic.Bool // the hubs may lose messages
}

func newFleet(t *testing.T, r *rand.Rand, o bus.Options) *fleet {
	f := &fleet{}
	f.lossy.Store(true)
	var hubs [2]*bustest.Hub
	var mu sync.Mutex
	net := rand.New(rand.NewPCG(r.Uint64(), 0)) // is used with the lock
	for i := range hubs {
		hubs[i] = bustest.NewHub()
		hubs[i].Delay = func() time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return time.Duration(net.IntN(20)) * time.Millisecond
		}
		lossy := r.IntN(2) == 0
		hubs[i].Lose = func(_, _ *bustest.Wire) bool {
			mu.Lock()
			defer mu.Unlock()
			return lossy && f.lossy.Load() && net.IntN(50) == 0
		}
	}
	wire := func(region int) *bustest.Wire {
		w := hubs[region].Connect()
		f.wires = append(f.wires, w)
		return w
	}
	for range 1 + r.IntN(2) {
		f.bridges = append(f.bridges, bridge(t, wire(0), wire(1), o))
	}
	for i := range 4 {
		own := o
		own.Regions = []string{[]string{"b", "a"}[i%2]}
		link, err := bus.New(wire(i%2), own)
		if err != nil {
			t.Fatal(err)
		}
		if err := link.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		cache, err := plancache.NewResults(plancache.ResultsOptions{Bytes: 1 << 20, TTL: 1000 * time.Hour, Invalidator: link})
		if err != nil {
			t.Fatal(err)
		}
		f.links, f.caches = append(f.links, link), append(f.caches, cache)
	}
	return f
}

func (f *fleet) close() {
	for _, c := range f.caches {
		_ = c.Close()
	}
	for _, l := range f.links {
		_ = l.Close()
	}
	for _, b := range f.bridges {
		_ = b.Close()
	}
}

// Values change while four instances in two regions read them through caches, and links are
// cut in every way: no read is staler than the bound, and after all is well again, none is.
func TestHistory(t *testing.T) {
	rounds := 10
	if os.Getenv("GQLBOOST_LONG") != "" {
		rounds = 200
	}
	total, stale := 0, 0
	worst := time.Duration(0)
	for round := range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("%d-%d", round, seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s, w := runHistory(t, rand.New(rand.NewPCG(seed, 0)))
				total, stale, worst = total+n, stale+s, max(worst, w)
			})
		})
	}
	t.Logf("%d reads, %d of them stale, by %v at most", total, stale, worst)
	if stale == 0 {
		t.Error("nothing was ever stale: nothing was cut")
	}
}

func runHistory(t *testing.T, r *rand.Rand) (reads, stale int, worst time.Duration) {
	o := bus.Options{
		Beat: time.Second, Silence: 3 * time.Second, BlindFor: 4 * time.Second, Forget: 24 * time.Hour,
	}
	// What goes over a bridge that is slow to notice takes as long as it may hang, and
	// what was lost is noticed at the next beat.
	bound := o.Silence + o.BlindFor + 2*o.Beat
	f := newFleet(t, r, o)
	defer f.close()
	h := &history{}
	read := func(i, value int) time.Duration {
		began := time.Now()
		key := plancache.ResultKey{Query: strconv.Itoa(value)}
		data, err := f.caches[i].Load(t.Context(), key, func(context.Context) ([]byte, []string, error) {
			version := h.read(value)
			return []byte(strconv.Itoa(version)), []string{strconv.Itoa(value)}, nil
		})
		version, bad := strconv.Atoi(string(data))
		if err != nil || bad != nil {
			t.Fatal(err, bad)
		}
		return h.age(value, version, began)
	}
	time.Sleep(5 * time.Second) // Regions have heard of each other.
	for range 6000 {
		time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
		switch n := r.IntN(1000); {
		case n < 5:
			f.wires[r.IntN(len(f.wires))].Set(bustest.State(1 + r.IntN(3)))
		case n < 15:
			f.wires[r.IntN(len(f.wires))].Set(bustest.Up)
		case n < 100:
			value, from := r.IntN(values), f.caches[r.IntN(len(f.caches))]
			h.write(value)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_ = from.Invalidate(ctx, strconv.Itoa(value)) // A link that is down brings it later.
			cancel()
		default:
			age := read(r.IntN(len(f.caches)), r.IntN(values))
			reads++
			if age > 0 {
				stale++
				worst = max(worst, age)
			}
			if age > bound {
				t.Errorf("a read was stale by %v, the bound is %v", age, bound)
			}
		}
	}
	for _, w := range f.wires {
		w.Set(bustest.Up)
	}
	f.lossy.Store(false) // Some beats in a row that are lost make a link blind, and rightly so.
	time.Sleep(bound + 10*time.Second)
	for i := range f.caches {
		for value := range values {
			if age := read(i, value); age > 0 {
				t.Errorf("instance %d, value %d: stale by %v when all is well", i, value, age)
			}
		}
		if h := f.links[i].Health(); h.Blind {
			t.Errorf("instance %d: %+v", i, h)
		}
	}
	return reads, stale, worst
}
