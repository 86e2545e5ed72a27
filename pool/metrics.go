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
	add(gqlboost.Gauge, "gqlboost.pool.limit", "{connection}", "Connections that may be in use now: the adaptive size.", float64(g.limit.Load()))
	add(gqlboost.Gauge, "db.client.connection.pending_requests", "{request}", "Callers that wait for a connection.", float64(g.length()))
	add(gqlboost.Counter, "db.client.connection.timeouts", "{timeout}", "Callers that waited too long for a connection.", float64(g.timeouts.Load()))
	add(gqlboost.Counter, "gqlboost.pool.refusals", "{request}", "Callers that found the queue full.", float64(g.refusals.Load()))
	add(gqlboost.Counter, "gqlboost.pool.acquires", "{request}", "Connections that callers got.", float64(s.AcquireCount()))
	add(gqlboost.Counter, "gqlboost.pool.waits", "{request}", "Callers that had to wait for a connection.", float64(g.waits.Load()))
	add(gqlboost.Counter, "gqlboost.pool.wait_time", "s", "Time that callers waited for a connection.", float64(g.waited.Load())/1e9)
	add(gqlboost.Counter, "gqlboost.pool.connections.created", "{connection}", "Connections that were opened.", float64(s.NewConnsCount()))
	p.mu.Lock()
	r := p.reader
	p.mu.Unlock()
	if r == nil || r.closed {
		return list
	}
	c := &r.counters
	way := func(v string) gqlboost.Attr { return gqlboost.Attr{Key: "way", Value: v} }
	up := 0
	for _, each := range r.pipes {
		each.mu.Lock()
		if each.up {
			up++
		}
		each.mu.Unlock()
	}
	add(gqlboost.Gauge, "gqlboost.pool.reader.connections", "{connection}", "Shared connections that are up.", float64(up))
	add(gqlboost.Counter, "gqlboost.pool.reader.statements", "{statement}", "Statements by the way that they went.", float64(c.shared.Load()), way("shared"))
	add(gqlboost.Counter, "gqlboost.pool.reader.statements", "{statement}", "Statements by the way that they went.", float64(c.direct.Load()), way("direct"))
	add(gqlboost.Counter, "gqlboost.pool.reader.flights", "{flight}", "Flights of statements on shared connections.", float64(c.batches.Load()))
	add(gqlboost.Counter, "gqlboost.pool.reader.flown", "{statement}", "Statements in these flights: divided by them, how many are coalesced.", float64(c.batched.Load()))
	add(gqlboost.Counter, "gqlboost.pool.reader.reruns", "{statement}", "Statements that were sent again because one before them failed.", float64(c.reruns.Load()))
	add(gqlboost.Counter, "gqlboost.pool.reader.moved", "{statement}", "Statements that went on to a connection of their own.", float64(c.moved.Load()))
	return list
}
