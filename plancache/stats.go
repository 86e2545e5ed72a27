package plancache

import (
	"cmp"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

type counters struct {
	builds, failures, switches atomic.Uint64
	errors                     atomic.Uint64
	building                   atomic.Int64 // nanoseconds
	left                       [len(causes)]atomic.Uint64
}

// Stats holds the counts of a cache since it was made.
type Stats struct {
	Len          int
	Hits, Misses uint64
	Builds       uint64        // that Load has started, with those that failed
	BuildErrors  uint64        // builds that have failed
	BuildTime    time.Duration // of all builds
	Saved        time.Duration // by hits, if all builds took as long as the mean
	Evictions    uint64        // for other plans
	Expired      uint64
	Removed      uint64 // by Delete, Purge and invalidations
	Switches     uint64 // of the schema
	Errors       uint64 // that OnError was called with
	Untold       uint64 // calls of OnEvict and OnError that were not made, because others blocked
	Store        StoreStats
	Fleet        FleetStats
}

// HitRatio returns the share of hits, 0 without lookups.
func (s Stats) HitRatio() float64 {
	if s.Hits == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// Stats returns what the cache has done.
func (c *Cache[P]) Stats() Stats {
	n := &c.counts
	s := Stats{
		Len: c.Len(), Builds: n.builds.Load(), BuildErrors: n.failures.Load(), BuildTime: time.Duration(n.building.Load()),
		Evictions: n.left[Evicted].Load(), Expired: n.left[Expired].Load(), Removed: n.left[Removed].Load(),
		Switches: n.switches.Load(), Errors: n.errors.Load(), Untold: c.notes.dropped(),
	}
	s.Hits, s.Misses = c.stats.sum()
	if s.Builds > 0 {
		s.Saved = time.Duration(float64(s.BuildTime) / float64(s.Builds) * float64(s.Hits))
	}
	if c.level != nil {
		s.Store = c.level.stats()
	}
	if f := c.sharing.Load(); f != nil {
		s.Fleet = f.stats()
	}
	return s
}

// Usage is a cached plan's part in the work.
type Usage struct {
	Signature string // see [Signature]
	Uses      uint32 // fading: half of them are forgotten from time to time
	BuildTime time.Duration
}

// Hot returns the n plans that are used most.
func (c *Cache[P]) Hot(n int) []Usage {
	return c.top(n, func(a, b Usage) int { return cmp.Compare(b.Uses, a.Uses) })
}

// Slow returns the n plans that took longest to build.
func (c *Cache[P]) Slow(n int) []Usage {
	return c.top(n, func(a, b Usage) int { return cmp.Compare(b.BuildTime, a.BuildTime) })
}

func (c *Cache[P]) top(n int, order func(a, b Usage) int) []Usage {
	bySignature := map[string]Usage{}
	g := c.current.Load()
	for _, e := range g.entries() {
		if e.err != nil {
			continue
		}
		name := Signature(e.key.Query)
		u := bySignature[name]
		u.Signature, u.Uses, u.BuildTime = name, u.Uses+e.uses.Load(), max(u.BuildTime, e.cost)
		bySignature[name] = u
	}
	list := make([]Usage, 0, len(bySignature))
	for _, u := range bySignature {
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b Usage) int { return cmp.Or(order(a, b), cmp.Compare(a.Signature, b.Signature)) })
	return list[:min(max(n, 0), len(list))]
}

// Metrics implements [gqlboost.Source].
func (c *Cache[P]) Metrics() iter.Seq[gqlboost.Metric] { return metric.Sequence(c.metrics) }

func (c *Cache[P]) metrics() (list []gqlboost.Metric) {
	add := func(kind gqlboost.Kind, name, unit, help string, value float64, attrs ...gqlboost.Attr) {
		list = append(list, gqlboost.Metric{Name: "gqlboost.plancache." + name, Unit: unit, Help: help, Kind: kind,
			Value: value, Attrs: attrs})
	}
	s := c.Stats()
	result := func(v string) gqlboost.Attr { return gqlboost.Attr{Key: "result", Value: v} }
	add(gqlboost.Gauge, "plans", "{plan}", "Plans in the cache.", float64(s.Len))
	add(gqlboost.Counter, "lookups", "{lookup}", "Plans that were asked for.", float64(s.Hits), result("hit"))
	add(gqlboost.Counter, "lookups", "{lookup}", "Plans that were asked for.", float64(s.Misses), result("miss"))
	add(gqlboost.Counter, "builds", "{build}", "Plans that were built.", float64(s.Builds-s.BuildErrors), result("ok"))
	add(gqlboost.Counter, "builds", "{build}", "Plans that were built.", float64(s.BuildErrors), result("error"))
	add(gqlboost.Counter, "build_time", "s", "Time that builds took.", s.BuildTime.Seconds())
	add(gqlboost.Counter, "saved_time", "s", "Time that hits have saved, by the mean of builds.", s.Saved.Seconds())
	for cause, name := range causes {
		add(gqlboost.Counter, "departures", "{plan}", "Plans that have left, by cause.", float64(c.counts.left[cause].Load()),
			gqlboost.Attr{Key: "cause", Value: name})
	}
	add(gqlboost.Counter, "schema_switches", "{switch}", "Changes of the schema.", float64(s.Switches))
	add(gqlboost.Counter, "errors", "{error}", "Errors of callbacks and of the second level.", float64(s.Errors))
	add(gqlboost.Counter, "untold", "{call}", "Calls of OnEvict and OnError that were not made, because others blocked.",
		float64(s.Untold))
	if c.level != nil {
		add(gqlboost.Counter, "store.lookups", "{lookup}", "Plans that the second level was asked for.",
			float64(s.Store.Hits), result("hit"))
		add(gqlboost.Counter, "store.lookups", "{lookup}", "Plans that the second level was asked for.",
			float64(s.Store.Misses), result("miss"))
		add(gqlboost.Counter, "store.lookups", "{lookup}", "Plans that the second level was asked for.",
			float64(s.Store.Errors), result("error"))
		add(gqlboost.Counter, "store.skipped", "{call}",
			"Calls of the second level that were not made, because it had failed.", float64(s.Store.Skipped))
		lease := func(result string, n uint64) {
			add(gqlboost.Counter, "store.leases", "{lease}",
				"Plans that one instance was to build for all, by what came of it here.",
				float64(n), gqlboost.Attr{Key: "result", Value: result})
		}
		lease("held", s.Store.Leases.Held)
		lease("awaited", s.Store.Leases.Awaited)
		lease("overdue", s.Store.Leases.Overdue)
		lease("lost", s.Store.Leases.Lost)
		add(gqlboost.Counter, "store.invalidations", "{invalidation}", "Invalidations that came from the second level.",
			float64(s.Store.Invalidations))
	}
	return append(list, usesMetrics(c.sharing.Load(), "gqlboost.plancache.")...)
}
