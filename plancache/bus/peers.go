package bus

import (
	"slices"
	"time"
)

// peers knows from whom messages come, and what may have been missed. It does not know the
// time, and has no lock.
type peers struct {
	self                  string // our own origin
	beat, silence, forget time.Duration
	trust                 bool // see Options.TrustSilence

	since   time.Time // all that was published before is of no interest: all was dropped
	echo    time.Time // when our own message came back
	back    time.Time // when somebody was heard again who had been silent, or all began
	list    map[string]*peer
	regions map[string]time.Time // when something came from there; zero: never
}

// peer is another link.
type peer struct {
	seq   uint64
	known bool // all up to seq has come, or is of no interest
	heard time.Time
	far   bool // it is in another region
}

const (
	maxPeers   = 4096
	maxRegions = 64
)

func newPeers(self string, o Options, now time.Time) *peers {
	p := &peers{
		self: self, beat: o.Beat, silence: o.Silence, forget: o.Forget, trust: o.TrustSilence,
		since: now, echo: now, back: now, list: map[string]*peer{}, regions: map[string]time.Time{},
	}
	for _, region := range o.Regions {
		p.regions[region] = time.Time{}
	}
	return p
}

// dropped notes that caches have lost all.
func (p *peers) dropped(now time.Time) { p.since = now }

// subscribed notes that messages come from now on, and that what has not come is of no interest.
func (p *peers) subscribed(now time.Time) {
	p.since, p.echo, p.back = now, now, now
	for _, one := range p.list {
		one.known = false
	}
}

// hear takes in a message that has an origin. It reports whether others may have been missed,
// and whether there is room for its peer.
func (p *peers) hear(m *message, now time.Time) (lost, ok bool) {
	if m.origin == p.self {
		if len(m.path) == 0 {
			p.echo = now
		}
		return false, true
	}
	if len(m.path) > 0 && m.kind == kindBeat {
		if heard, known := p.regions[m.path[0]]; known || len(p.regions) < maxRegions {
			lost = known && p.returns(heard, now)
			p.regions[m.path[0]] = now
		}
	}
	one := p.list[m.origin]
	switch {
	case one == nil && len(p.list) >= maxPeers:
		return false, false
	case one == nil:
		one = &peer{heard: now}
		p.list[m.origin] = one
	}
	if one.far = len(m.path) > 0; m.kind == kindBeat { // Keys may come late: they say nothing of what has happened since.
		lost = lost || p.expects(one) && p.returns(one.heard, now)
		one.heard = now
	}
	expected := one.seq // what it should say
	if m.kind == kindKeys {
		expected++
	}
	switch {
	case !one.known:
		// What was sent before all was dropped does not count.
		lost = lost || m.earlier() && m.age <= now.Sub(p.since)
	case m.seq > expected:
		lost = true
	}
	if !one.known || m.seq > one.seq {
		one.seq, one.known = m.seq, true
	}
	if m.kind == kindBye {
		delete(p.list, m.origin)
	}
	return lost, true
}

// returns reports whether somebody who is heard again was silent for so long that others may have come, sent keys, and
// gone meanwhile: nobody knows these, and nobody misses their keys. The first of those who return together counts.
func (p *peers) returns(heard, now time.Time) bool {
	if now.Sub(heard) <= p.silence || now.Sub(p.back) <= 2*p.beat {
		return false
	}
	p.back = now
	return true
}

// expects reports whether the silence of a peer says that messages may not come.
func (p *peers) expects(one *peer) bool { return one.far || !p.trust }

// expire forgets peers that are silent for long, and reports whether what they have sent last
// may have been missed.
func (p *peers) expire(now time.Time) (lost bool) {
	for origin, one := range p.list {
		if now.Sub(one.heard) > p.forget {
			delete(p.list, origin)
			lost = lost || p.expects(one)
		}
	}
	return lost
}

// silent returns who should be heard and is not, in order.
func (p *peers) silent(now time.Time) (list []string) {
	if now.Sub(p.echo) > p.silence {
		list = append(list, "echo")
	}
	peer := false
	for _, one := range p.list {
		peer = peer || p.expects(one) && now.Sub(one.heard) > p.silence
	}
	if peer {
		list = append(list, "peer")
	}
	var regions []string
	for region, heard := range p.regions {
		if now.Sub(heard) > p.silence {
			regions = append(regions, "region "+region)
		}
	}
	slices.Sort(regions)
	return append(list, regions...)
}
