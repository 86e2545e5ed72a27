package pool

import (
	"fmt"
	"iter"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// Metrics implements [gqlboost.Source]. Names are those of OpenTelemetry's semantic
// conventions for database clients where they have one.
func (p *Pool) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(p.metrics)
}

// metrics returns those of one name next to each other.
func (p *Pool) metrics() (list []gqlboost.Metric) {
	p.mu.Lock()
	reads := p.reads
	p.mu.Unlock()
	pools, names := []*Pool{p}, []string{"pool"}
	if reads != nil {
		for i, replica := range reads.replicas {
			pools, names = append(pools, replica), append(names, fmt.Sprintf("replica %d", i+1))
		}
	}
	for _, each := range connectionMetrics {
		for i, pool := range pools {
			for _, m := range each(pool) {
				m.Attrs = append([]gqlboost.Attr{{Key: "db.client.connection.pool.name", Value: names[i]}}, m.Attrs...)
				list = append(list, m)
			}
		}
	}
	if reads != nil {
		list = append(list, reads.reader.Metrics()...)
	}
	return list
}

// connectionMetrics are what each pool of connections has.
var connectionMetrics = []func(*Pool) []gqlboost.Metric{
	func(p *Pool) []gqlboost.Metric {
		s := p.Stat()
		m := gqlboost.Metric{Kind: gqlboost.Gauge, Name: "db.client.connection.count", Unit: "{connection}",
			Help: "Connections."}
		idle, used := m, m
		idle.Value, idle.Attrs = float64(s.IdleConns()), []gqlboost.Attr{{Key: "db.client.connection.state", Value: "idle"}}
		used.Value, used.Attrs = float64(s.AcquiredConns()),
			[]gqlboost.Attr{{Key: "db.client.connection.state", Value: "used"}}
		return []gqlboost.Metric{idle, used}
	},
	gauge("db.client.connection.max", "{connection}", "Maximum number of connections.",
		func(p *Pool) float64 { return float64(p.Stat().MaxConns()) }),
	gauge("db.client.connection.idle.max", "{connection}", "Maximum number of idle connections.",
		func(p *Pool) float64 { return float64(p.Stat().MaxConns()) }),
	gauge("db.client.connection.idle.min", "{connection}", "Minimum number of idle connections.",
		func(p *Pool) float64 { return float64(p.config.MinIdleConns) }),
	gauge("db.client.connection.pending_requests", "{request}", "Callers that wait for a connection.",
		func(p *Pool) float64 { return float64(p.sum(func(g *admission) uint64 { return uint64(g.length()) })) }),
	counter("db.client.connection.timeouts", "{timeout}", "Callers that waited too long for a connection.",
		func(p *Pool) uint64 { return p.sum(func(g *admission) uint64 { return g.timeouts.Load() }) }),
	times("db.client.connection.create_time", "Time that connections took to open.",
		func(p *Pool) (*histogram, uint64) { return &p.admission.opening, 0 }),
	times("db.client.connection.wait_time", "Time that callers waited for a place among the connections in use.",
		func(p *Pool) (*histogram, uint64) {
			all, waits := uint64(p.Stat().AcquireCount()), p.admission.waits.Load()
			return &p.admission.waited, max(all, waits) - waits
		}),
	times("db.client.connection.use_time", "Time that connections were held, if leaks are looked for.",
		func(p *Pool) (*histogram, uint64) {
			if p.admission.holders == nil {
				return nil, 0
			}
			return &p.admission.holders.uses, 0
		}),
	gauge("gqlboost.pool.limit", "{connection}", "Connections that may be in use now.",
		func(p *Pool) float64 { return float64(p.admission.limit.Load()) }),
	gauge("gqlboost.pool.capacity", "{connection}",
		"Connections that the server has for this instance; 0 if it was not asked.",
		func(p *Pool) float64 { return float64(p.admission.capacity.Load()) }),
	leased(gauge("gqlboost.pool.lease.share", "{connection}", "Connections that this instance may open, by its lease.",
		func(p *Pool) float64 { return float64(p.lease.last.Load().granted) })),
	leased(gauge("gqlboost.pool.lease.target", "{connection}",
		"Connections that it is to have when other instances have given them up.",
		func(p *Pool) float64 { return float64(p.lease.last.Load().target) })),
	leased(gauge("gqlboost.pool.lease.total", "{connection}", "Connections that the fleet divides.",
		func(p *Pool) float64 { return float64(p.lease.last.Load().total) })),
	leased(gauge("gqlboost.pool.lease.members", "{instance}", "Instances that live, as of the last heartbeat.",
		func(p *Pool) float64 { return float64(p.lease.last.Load().members) })),
	leased(counter("gqlboost.pool.lease.errors", "{heartbeat}", "Heartbeats that failed.",
		func(p *Pool) uint64 { return p.lease.errors.Load() })),
	counter("gqlboost.pool.refusals", "{request}", "Callers that found the queue full.",
		func(p *Pool) uint64 { return p.sum(func(g *admission) uint64 { return g.refusals.Load() }) }),
	counter("gqlboost.pool.shed", "{request}", "Callers that were refused in a queue that does not empty.",
		func(p *Pool) uint64 { return p.sum(func(g *admission) uint64 { return g.shed.Load() }) }),
	counter("gqlboost.pool.acquires", "{request}", "Connections that callers got.",
		func(p *Pool) uint64 { return uint64(p.Stat().AcquireCount()) }),
	counter("gqlboost.pool.waits", "{request}", "Callers that had to wait for a connection.",
		func(p *Pool) uint64 { return p.sum(func(g *admission) uint64 { return g.waits.Load() }) }),
	counter("gqlboost.pool.connections.created", "{connection}", "Connections that were opened.",
		func(p *Pool) uint64 { return uint64(p.Stat().NewConnsCount()) }),
}

// sum adds what the pool's admissions have: the one that all pass, and that of Config.Reader.DirectConns.
func (p *Pool) sum(of func(*admission) uint64) uint64 {
	n := of(p.admission)
	if p.direct != nil {
		n += of(p.direct)
	}
	return n
}

// leased restricts a metric to pools with a lease.
func leased(each func(*Pool) []gqlboost.Metric) func(*Pool) []gqlboost.Metric {
	return func(p *Pool) []gqlboost.Metric {
		if p.lease == nil {
			return nil
		}
		return each(p)
	}
}

func gauge(name, unit, help string, value func(*Pool) float64) func(*Pool) []gqlboost.Metric {
	return func(p *Pool) []gqlboost.Metric {
		return []gqlboost.Metric{{Kind: gqlboost.Gauge, Name: name, Unit: unit, Help: help, Value: value(p)}}
	}
}

func counter(name, unit, help string, value func(*Pool) uint64) func(*Pool) []gqlboost.Metric {
	return func(p *Pool) []gqlboost.Metric {
		return []gqlboost.Metric{{Kind: gqlboost.Counter, Name: name, Unit: unit, Help: help, Value: float64(value(p))}}
	}
}

// times is a histogram, and how many observations of nothing are not in it.
func times(name, help string, value func(*Pool) (*histogram, uint64)) func(*Pool) []gqlboost.Metric {
	return func(p *Pool) []gqlboost.Metric {
		h, zeros := value(p)
		if h == nil {
			return nil
		}
		return []gqlboost.Metric{{Kind: gqlboost.Histogram, Name: name, Unit: "s", Help: help,
			Value: float64(h.sum.Load()) / 1e9, Buckets: h.buckets(zeros)}}
	}
}
