package bus

import (
	"iter"
	"sync/atomic"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

type counter = atomic.Uint64

type counts struct {
	sent, received, errors, slow, blind                 counter
	refusedFormat, refusedVersion, refusedPeers         counter
	lostGap, lostLink, lostPeer, lostBlind, lostVersion counter
}

// Metrics implements [gqlboost.Source].
func (l *Link) Metrics() iter.Seq[gqlboost.Metric] { return metric.Sequence(l.metrics) }

func (l *Link) metrics() (list []gqlboost.Metric) {
	add := func(kind gqlboost.Kind, name, unit, help string, value uint64, attrs ...gqlboost.Attr) {
		list = append(list, gqlboost.Metric{
			Name: "gqlboost.bus." + name, Unit: unit, Help: help, Kind: kind, Value: float64(value), Attrs: attrs,
		})
	}
	attr := func(key, value string) gqlboost.Attr { return gqlboost.Attr{Key: key, Value: value} }
	h := l.Health()
	blind := uint64(0)
	if h.Blind {
		blind = 1
	}
	c := &l.counts
	add(gqlboost.Gauge, "blind", "1", "1 while invalidations may not come.", blind)
	add(gqlboost.Gauge, "peers", "{peer}", "Other links that are heard, or are waited for.", uint64(h.Peers))
	add(gqlboost.Gauge, "pending", "{key}", "Keys that are not published yet.", uint64(l.out.size()))
	add(gqlboost.Counter, "blinded", "{time}", "How often invalidations have ceased to come.", c.blind.Load())
	for _, one := range []struct {
		direction string
		value     *counter
	}{{"sent", &c.sent}, {"received", &c.received}} {
		add(gqlboost.Counter, "messages", "{message}", "Messages, beats included.",
			one.value.Load(), attr("direction", one.direction))
	}
	for _, one := range []struct {
		reason string
		value  *counter
	}{
		{"gap", &c.lostGap}, {"link", &c.lostLink}, {"peer", &c.lostPeer},
		{"blind", &c.lostBlind}, {"version", &c.lostVersion},
	} {
		add(gqlboost.Counter, "drops", "{time}", "How often caches have lost all, because something may have been missed.",
			one.value.Load(), attr("reason", one.reason))
	}
	for _, one := range []struct {
		reason string
		value  *counter
	}{{"format", &c.refusedFormat}, {"version", &c.refusedVersion}, {"peers", &c.refusedPeers}} {
		add(gqlboost.Counter, "refused", "{message}", "Messages that were not understood, or whose sender was one too many.",
			one.value.Load(), attr("reason", one.reason))
	}
	add(gqlboost.Counter, "slow", "{time}", "Caches that were too far behind, and have lost all.", c.slow.Load())
	add(gqlboost.Counter, "errors", "{error}", "Errors of the transport and of the options' functions.", c.errors.Load())
	return list
}
