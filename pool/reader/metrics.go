package reader

import "github.com/gqlboost/gqlboost"

// Metrics returns the Reader's metrics, those of one name next to each other.
func (r *Reader) Metrics() (list []gqlboost.Metric) {
	add := func(kind gqlboost.Kind, name, unit, help string, value uint64, attrs ...gqlboost.Attr) {
		list = append(list, gqlboost.Metric{Name: name, Unit: unit, Help: help, Kind: kind, Value: float64(value),
			Attrs: attrs})
	}
	attr := func(key, value string) gqlboost.Attr { return gqlboost.Attr{Key: key, Value: value} }
	up, out, sharing := uint64(0), uint64(0), uint64(1)
	for _, b := range r.backends {
		if b.out.Load() {
			out++
		}
		for _, p := range b.pipes {
			if p.session.Load() != nil {
				up++
			}
		}
	}
	reason := r.unshared
	if codec := r.codec.Load(); codec != nil {
		reason = *codec
	}
	if reason != "" {
		sharing = 0
	}
	c := &r.counters
	const replicas, statements = "gqlboost.pool.reader.replicas", "gqlboost.pool.reader.statements"
	add(gqlboost.Gauge, "gqlboost.pool.reader.sharing", "1", "Whether statements share connections, and why not.", sharing,
		attr("reason", reason))
	add(gqlboost.Gauge, replicas, "{server}", "Replicas.", uint64(len(r.backends)-1)-out, attr("state", "good"))
	add(gqlboost.Gauge, replicas, "{server}", "Replicas.", out, attr("state", "out"))
	add(gqlboost.Counter, "gqlboost.pool.reader.lost", "{statement}",
		"Statements that ran again because their connection failed.", c.lost.Load())
	add(gqlboost.Gauge, "gqlboost.pool.reader.connections", "{connection}", "Shared connections that are up.", up)
	add(gqlboost.Counter, statements, "{statement}",
		"Statements by how they ran: on a shared connection, or directly on one of their own.", c.shared.Load(),
		attr("way", "shared"))
	add(gqlboost.Counter, statements, "{statement}",
		"Statements by how they ran: on a shared connection, or directly on one of their own.", c.direct.Load(),
		attr("way", "direct"))
	add(gqlboost.Counter, "gqlboost.pool.reader.batches", "{batch}", "Writes to shared connections.", c.writes.Load())
	add(gqlboost.Counter, "gqlboost.pool.reader.runs", "{run}",
		"Runs of one statement in these batches: each is a transaction.", c.runs.Load())
	add(gqlboost.Counter, "gqlboost.pool.reader.batched", "{statement}",
		"Statements in these batches: divided by them, how many are coalesced.", c.sent.Load())
	add(gqlboost.Counter, "gqlboost.pool.reader.reruns", "{statement}",
		"Statements that were sent again because one before them failed.", c.reruns.Load())
	add(gqlboost.Counter, "gqlboost.pool.reader.moved", "{statement}",
		"Statements that went on to a connection of their own.", c.moved.Load())
	add(gqlboost.Counter, "gqlboost.pool.reader.canceled", "{statement}",
		"Statements that were canceled because others waited behind them.", c.canceled.Load())
	add(gqlboost.Counter, "gqlboost.pool.reader.rehearsals", "{statement}",
		"Statements that were prepared again, so that Postgres need not plan them at each execution.", c.rehearsed.Load())
	const tokens, reads = "gqlboost.pool.reader.tokens", "gqlboost.pool.reader.token_reads"
	add(gqlboost.Counter, tokens, "{token}", "Tokens that were taken.", c.tokens.Load(), attr("state", "known"))
	add(gqlboost.Counter, tokens, "{token}", "Tokens that were taken.", c.tokensUnknown.Load(), attr("state", "unknown"))
	add(gqlboost.Counter, reads, "{statement}", "Reads by a token.", c.followReplica.Load(), attr("server", "replica"))
	add(gqlboost.Counter, reads, "{statement}", "Reads by a token.", c.followWaited.Load(), attr("server", "waited"))
	add(gqlboost.Counter, reads, "{statement}", "Reads by a token.", c.followPrimary.Load(), attr("server", "primary"))
	add(gqlboost.Counter, "gqlboost.pool.reader.token_refusals", "{statement}",
		"Reads by a token whose replica was behind what was known of it, and which ran on the primary.", c.refused.Load())
	return list
}
