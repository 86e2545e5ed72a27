package bus

import (
	"time"
)

// blindness is whether messages may not come, and since when.
type blindness struct {
	since time.Time // zero: they come
	next  time.Time // when caches are to lose all
	why   []string
}

func (b *blindness) begin(now time.Time, lasts time.Duration) {
	b.since, b.next = now, now.Add(lasts)
}

// Health is what a link knows of itself. A blind link is no reason to take an instance out
// of service: it answers, and what it answers is bounded.
type Health struct {
	Blind bool
	Since time.Time // when it has become so, if it is blind
	// Why says what is missing: "transport", "echo" if its own messages do not come back,
	// "peer", and "region" with a name.
	Why   []string
	Err   error // of the transport, or of Before; nil if it works now
	Peers int   // that are known
}

// Health returns what the link knows of itself.
func (l *Link) Health() Health {
	l.evaluate(time.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	h := Health{Blind: !l.blind.since.IsZero(), Since: l.blind.since, Err: l.downErr, Peers: len(l.peers.list)}
	if h.Err == nil {
		h.Err = l.sendErr
	}
	if h.Blind {
		h.Why = append(h.Why, l.blind.why...)
	}
	return h
}

// look looks after silence.
func (l *Link) look() {
	often := l.options.Beat
	if l.options.BlindFor > 0 {
		often = min(often, l.options.BlindFor)
	}
	ticker := time.NewTicker(max(often/4, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.evaluate(time.Now())
		case <-l.ctx.Done():
			return
		}
	}
}

func (l *Link) evaluate(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evaluateLocked(now)
}

// evaluateLocked looks whether the link is blind, and does what follows from it.
func (l *Link) evaluateLocked(now time.Time) {
	if l.peers.expire(now) {
		l.dropAll(now, &l.counts.lostPeer)
	}
	var why []string
	if l.up {
		why = l.peers.silent(now)
	} else {
		why = []string{"transport"}
	}
	b := &l.blind
	b.why = why
	switch {
	case len(why) == 0:
		b.since = time.Time{}
		return
	case b.since.IsZero():
		l.counts.blind.Add(1)
		b.begin(now, l.options.BlindFor)
	}
	if l.up && !l.unechoed.IsZero() && now.Sub(l.unechoed) > l.options.Silence {
		l.drop(errMute) // The subscription is dead and does not know it.
	}
	if l.options.BlindFor > 0 && !now.Before(b.next) {
		b.next = now.Add(l.options.BlindFor)
		l.dropAll(now, &l.counts.lostBlind)
	}
}
