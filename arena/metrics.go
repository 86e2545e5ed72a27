package arena

import (
	"iter"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// Source returns what the package does in this process: arenas, mapped files and
// the garbage collector's governor. A [Buffers], an [Interner] and a [Pool]
// report themselves.
func Source() gqlboost.Source { return packageSource{} }

type packageSource struct{}

func counter(name, unit, help string, value float64) gqlboost.Metric {
	return gqlboost.Metric{Name: "gqlboost.arena." + name, Unit: unit, Help: help, Kind: gqlboost.Counter, Value: value}
}

func gauge(name, unit, help string, value float64) gqlboost.Metric {
	return gqlboost.Metric{Name: "gqlboost.arena." + name, Unit: unit, Help: help, Kind: gqlboost.Gauge, Value: value}
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func (packageSource) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(func() []gqlboost.Metric {
		list := []gqlboost.Metric{
			counter("arenas.taken", "{arena}", "Arenas that New has returned.", float64(counters.taken.Load())),
			counter("arenas.made", "{arena}", "Arenas that New had to make.", float64(counters.made.Load())),
			counter("arenas.freed", "{arena}", "Arenas that Free has taken back.", float64(counters.freed.Load())),
			counter("arenas.dropped", "{arena}", "Arenas that were too large to be kept.", float64(counters.dropped.Load())),
			gauge("mapped.files", "{file}", "Files that are mapped.", float64(mapped.files.Load())),
			gauge("mapped.size", "By", "Bytes of the mapped files.", float64(mapped.bytes.Load())),
		}
		if g := governing.current.Load(); g != nil {
			now := readRuntime()
			list = append(list,
				gauge("gc.budget", "By", "Resident memory that the governor may use.", float64(g.budget)),
				gauge("gc.gogc", "%", "GOGC at the moment.", float64(now.gogc)),
				gauge("gc.memory.limit", "By", "GOMEMLIMIT at the moment.", float64(now.limit)),
				gauge("gc.over_budget", "1", "1 while the budget is less than what is alive, and not kept.",
					flag(g.overBudget.Load())),
				counter("gc.adjustments", "{adjustment}", "Times that the governor has changed a setting.",
					float64(g.adjustments.Load())),
			)
		}
		return list
	})
}

// Metrics implements [gqlboost.Source].
func (p *Buffers) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(func() []gqlboost.Metric {
		s := p.Stats()
		return []gqlboost.Metric{
			counter("buffers.gets", "{buffer}", "Buffers that were asked for.", float64(s.Gets)),
			counter("buffers.misses", "{buffer}", "Buffers that had to be allocated.", float64(s.Misses)),
			counter("buffers.puts", "{buffer}", "Buffers that were given back.", float64(s.Puts)),
			counter("buffers.discarded", "By", "Bytes of buffers that were not kept.", float64(s.Discarded)),
			gauge("buffers.retained", "By", "Bytes of idle buffers, estimated.", float64(s.Retained)),
		}
	})
}

// Metrics implements [gqlboost.Source].
func (i *Interner) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(func() []gqlboost.Metric {
		s := i.Stats()
		return []gqlboost.Metric{
			gauge("interned.strings", "{string}", "Strings that are held.", float64(s.Entries)),
			gauge("interned.size", "By", "Bytes of the strings that are held.", float64(s.Bytes)),
			counter("interned.misses", "{string}", "Strings that had to be allocated.", float64(s.Misses)),
			counter("interned.evictions", "{string}", "Strings that made room for others.", float64(s.Evictions)),
		}
	})
}

// Metrics implements [gqlboost.Source].
func (p *Pool[T]) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(func() []gqlboost.Metric {
		s := p.Stats()
		return []gqlboost.Metric{
			counter("pool.gets", "{object}", "Objects that were asked for.", float64(s.Gets)),
			counter("pool.misses", "{object}", "Objects that had to be made.", float64(s.Misses)),
			counter("pool.dropped", "{object}", "Objects that were not worth keeping.", float64(s.Dropped)),
		}
	})
}
