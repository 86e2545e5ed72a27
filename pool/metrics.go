package pool

import (
	"iter"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// Metrics implements [gqlboost.Source]. Names are those of OpenTelemetry's semantic
// conventions for database clients where they have one.
func (p *Pool) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(p.metrics)
}

func (p *Pool) metrics() (list []gqlboost.Metric) {
	add := func(kind gqlboost.Kind, name, unit, help string, value float64, attrs ...gqlboost.Attr) {
		list = append(list, gqlboost.Metric{Name: name, Unit: unit, Help: help, Kind: kind, Value: value, Attrs: attrs})
	}
	s, g := p.Stat(), p.gate
	state := func(v string) gqlboost.Attr { return gqlboost.Attr{Key: "db.client.connection.state", Value: v} }
	add(gqlboost.Gauge, "db.client.connection.count", "{connection}", "Connections.", float64(s.IdleConns()), state("idle"))
	add(gqlboost.Gauge, "db.client.connection.count", "{connection}", "Connections.", float64(s.AcquiredConns()), state("used"))
	add(gqlboost.Gauge, "db.client.connection.max", "{connection}", "Connections that there may be.", float64(s.MaxConns()))
	add(gqlboost.Gauge, "db.client.connection.idle.max", "{connection}", "Idle connections that there may be.", float64(s.MaxConns()))
	add(gqlboost.Gauge, "db.client.connection.idle.min", "{connection}", "Idle connections that there are to be.", float64(p.config.MinIdleConns))
	add(gqlboost.Gauge, "gqlboost.pool.limit", "{connection}", "Connections that may be in use now: the adaptive size.", float64(g.limit.Load()))
	add(gqlboost.Gauge, "db.client.connection.pending_requests", "{request}", "Callers that wait for a connection.", float64(g.length()))
	add(gqlboost.Counter, "db.client.connection.timeouts", "{timeout}", "Callers that waited too long for a connection.", float64(g.timeouts.Load()))
	add(gqlboost.Counter, "gqlboost.pool.refusals", "{request}", "Callers that found the queue full.", float64(g.refusals.Load()))
	add(gqlboost.Counter, "gqlboost.pool.acquires", "{request}", "Connections that callers got.", float64(s.AcquireCount()))
	add(gqlboost.Counter, "gqlboost.pool.waits", "{request}", "Callers that had to wait for a connection.", float64(g.waits.Load()))
	add(gqlboost.Counter, "gqlboost.pool.shed", "{request}", "Callers that were refused in a queue that does not empty.", float64(g.shed.Load()))
	addTimes := func(name, help string, h *histogram, zeros uint64) {
		list = append(list, gqlboost.Metric{Name: name, Unit: "s", Help: help, Kind: gqlboost.Histogram, Value: float64(h.sum.Load()) / 1e9, Buckets: h.buckets(zeros)})
	}
	addTimes("db.client.connection.create_time", "Time that connections took to open.", &g.opening, 0)
	waits := g.waits.Load()
	addTimes("db.client.connection.wait_time", "Time that callers waited for a place among the connections in use.", &g.waited, max(uint64(s.AcquireCount()), waits)-waits)
	if g.holders != nil {
		addTimes("db.client.connection.use_time", "Time that connections were held.", &g.holders.uses, 0)
	}
	p.mu.Lock()
	r := p.reader
	p.mu.Unlock()
	if r == nil || r.err != nil {
		return list
	}
	c := &r.counters
	way := func(v string) gqlboost.Attr { return gqlboost.Attr{Key: "way", Value: v} }
	up, out := 0, 0
	for _, t := range r.targets {
		if t.out.Load() {
			out++
		}
		for _, each := range t.pipes {
			each.mu.Lock()
			if each.up {
				up++
			}
			each.mu.Unlock()
		}
	}
	add(gqlboost.Gauge, "gqlboost.pool.reader.replicas", "{server}", "Replicas.", float64(len(r.targets)-1-out), gqlboost.Attr{Key: "state", Value: "good"})
	add(gqlboost.Gauge, "gqlboost.pool.reader.replicas", "{server}", "Replicas.", float64(out), gqlboost.Attr{Key: "state", Value: "out"})
	add(gqlboost.Counter, "gqlboost.pool.reader.lost", "{statement}", "Statements that were run again because their connection failed.", float64(c.lost.Load()))
	add(gqlboost.Gauge, "gqlboost.pool.reader.connections", "{connection}", "Shared connections that are up.", float64(up))
	add(gqlboost.Counter, "gqlboost.pool.reader.statements", "{statement}", "Statements by the way that they went.", float64(c.shared.Load()), way("shared"))
	add(gqlboost.Counter, "gqlboost.pool.reader.statements", "{statement}", "Statements by the way that they went.", float64(c.direct.Load()), way("direct"))
	add(gqlboost.Counter, "gqlboost.pool.reader.flights", "{flight}", "Flights of statements on shared connections.", float64(c.batches.Load()))
	add(gqlboost.Counter, "gqlboost.pool.reader.flown", "{statement}", "Statements in these flights: divided by them, how many are coalesced.", float64(c.batched.Load()))
	add(gqlboost.Counter, "gqlboost.pool.reader.reruns", "{statement}", "Statements that were sent again because one before them failed.", float64(c.reruns.Load()))
	add(gqlboost.Counter, "gqlboost.pool.reader.moved", "{statement}", "Statements that went on to a connection of their own.", float64(c.moved.Load()))
	return list
}
