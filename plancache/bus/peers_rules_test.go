package bus

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const self, peerA = "00000000000000aa", "00000000000000bb"

// The rules of peers that the model does not look at, one by one. Times are seconds since newPeers.
func TestPeersRules(t *testing.T) {
	begin := time.Unix(0, 0)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	open := func(o Options) *peers {
		o.Beat, o.Silence, o.Forget = time.Second, 5*time.Second, time.Minute
		return newPeers(self, o, begin)
	}
	beat := func(path ...string) *message { return &message{kind: kindBeat, origin: peerA, path: path} }
	own := func(path ...string) *message { return &message{kind: kindBeat, origin: self, path: path} }

	t.Run("a subscription has time for the first echo", func(t *testing.T) {
		p := open(Options{})
		if got := p.silent(at(6)); !slices.Equal(got, []string{"echo"}) {
			t.Errorf("got %q", got)
		}
		p.subscribed(at(6))
		if got := p.silent(at(11)); got != nil {
			t.Errorf("within the time: %q", got)
		}
		if got := p.silent(at(12)); !slices.Equal(got, []string{"echo"}) {
			t.Errorf("after it: %q", got)
		}
	})
	t.Run("an echo by another region is none", func(t *testing.T) {
		p := open(Options{})
		p.hear(own("eu"), at(6))
		if got := p.silent(at(6)); !slices.Equal(got, []string{"echo"}) {
			t.Errorf("over a path: %q", got)
		}
		p.hear(own(), at(6))
		if got := p.silent(at(6)); got != nil {
			t.Errorf("without: %q", got)
		}
	})
	t.Run("a region is heard by its beats", func(t *testing.T) {
		// Bridges drop beats that come late, and keep keys: those say nothing of the way.
		p := open(Options{Regions: []string{"us"}, TrustSilence: true})
		p.hear(own(), at(6))
		p.hear(&message{kind: kindKeys, origin: peerA, seq: 1, keys: []string{"k"}, path: []string{"us", "ap"}}, at(6))
		if got := p.silent(at(6)); !slices.Equal(got, []string{"region us"}) {
			t.Errorf("by keys: %q", got)
		}
		p.hear(beat("us", "ap"), at(6))
		if got := p.silent(at(6)); got != nil {
			t.Errorf("by a beat: %q", got)
		}
		p.hear(&message{kind: kindKeys, origin: peerA, seq: 1, keys: []string{"k"}, path: []string{"xx"}}, at(7))
		if len(p.regions) != 1 {
			t.Errorf("keys have made a region known: %v", p.regions)
		}
	})
	t.Run("a peer is heard by its beats", func(t *testing.T) {
		for _, path := range [][]string{nil, {"us"}} {
			p := open(Options{})
			p.hear(own(), at(6))
			p.hear(beat(path...), at(0))
			p.hear(&message{kind: kindKeys, origin: peerA, seq: 1, keys: []string{"k"}, path: path}, at(6)) // sent at 0
			if got := p.silent(at(6)); !slices.Contains(got, "peer") {
				t.Errorf("by keys over %q: %q", path, got)
			}
			p.hear(beat(path...), at(6))
			if got := p.silent(at(6)); slices.Contains(got, "peer") {
				t.Errorf("by a beat over %q: %q", path, got)
			}
		}
	})
	t.Run("silence is trusted in the same region only", func(t *testing.T) {
		for _, one := range []struct {
			trust bool
			path  []string
			lost  bool
		}{{true, nil, false}, {true, []string{"us"}, true}, {false, nil, true}, {false, []string{"us"}, true}} {
			p := open(Options{TrustSilence: one.trust})
			p.hear(beat(one.path...), at(1))
			if p.expire(at(61)) || len(p.list) != 1 {
				t.Errorf("%+v: it is forgotten too soon", one)
			}
			if lost := p.expire(at(62)); lost != one.lost || len(p.list) != 0 {
				t.Errorf("%+v: lost %v, %d peers", one, lost, len(p.list))
			}
		}
		p := open(Options{TrustSilence: true})
		p.hear(beat("us"), at(1))
		p.hear(beat(), at(2)) // It is in this region, and was heard over a bridge as well.
		if p.expire(at(100)) {
			t.Error("who was heard here last counts as far away")
		}
	})
	t.Run("who was silent has missed messages with him", func(t *testing.T) {
		for _, one := range []struct {
			trust bool
			path  []string
			again int
			lost  bool
		}{
			{false, nil, 5, false}, {false, nil, 6, true}, {true, nil, 6, false}, // as long as its beats may be away
			{false, []string{"us"}, 6, true}, {true, []string{"us"}, 6, true},
		} {
			p := open(Options{TrustSilence: one.trust})
			p.hear(beat(one.path...), at(0))
			p.hear(&message{kind: kindKeys, origin: peerA, seq: 1, keys: []string{"k"}, path: one.path}, at(one.again))
			again := &message{kind: kindBeat, origin: peerA, seq: 1, path: one.path}
			if lost, _ := p.hear(again, at(one.again)); lost != one.lost {
				t.Errorf("%+v: lost %v", one, lost)
			}
			if lost, _ := p.hear(again, at(one.again+1)); lost {
				t.Errorf("%+v: lost twice", one)
			}
		}
		p := open(Options{Regions: []string{"us"}})
		if lost, _ := p.hear(beat("us"), at(2)); lost {
			t.Error("a region that is heard at once")
		}
		p = open(Options{Regions: []string{"us"}})
		if lost, _ := p.hear(beat("us"), at(6)); !lost {
			t.Error("a region that was not heard from the start")
		}
	})
	t.Run("a peer of another region is never trusted", func(t *testing.T) {
		p := open(Options{TrustSilence: true})
		p.hear(beat("us"), at(0))
		p.hear(own(), at(6))
		p.hear(&message{kind: kindBeat, origin: "00000000000000cc", path: []string{"us"}}, at(6))
		if got := p.silent(at(6)); !slices.Equal(got, []string{"peer"}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("what was sent before all was dropped is of no interest", func(t *testing.T) {
		for _, one := range []struct {
			dropped bool
			age     int
			lost    bool
		}{{false, 5, true}, {true, 5, false}, {true, 2, true}, {true, 1, true}, {false, 13, false}} {
			p := open(Options{})
			if one.dropped {
				p.dropped(at(10))
			}
			m := &message{kind: kindBeat, origin: peerA, seq: 3, age: time.Duration(one.age) * time.Second}
			if lost, _ := p.hear(m, at(12)); lost != one.lost {
				t.Errorf("%+v: lost %v", one, lost)
			}
		}
	})
}

// A message of the largest size is one, and none is larger.
func TestLargestInput(t *testing.T) {
	m := message{kind: kindKeys, origin: peerA, seq: 1}
	for len(m.encode()) < MaxMessage-101 {
		m.keys = append(m.keys, strings.Repeat("k", 99))
	}
	last := len(m.keys)
	m.keys = append(m.keys, "k")
	for len(m.encode()) < MaxMessage {
		if m.keys[last] += "k"; len(m.keys[last]) == 99 {
			last++
			m.keys = append(m.keys, "k")
		}
	}
	if data := m.encode(); len(data) != MaxMessage {
		t.Fatalf("%d bytes", len(data))
	}
	if got, err := decode(m.encode()); err != nil || !slices.Equal(got.keys, m.keys) {
		t.Errorf("got %d keys, %v", len(got.keys), err)
	}
	m.keys[last] += "k"
	if _, err := decode(m.encode()); err == nil {
		t.Error("one byte more is taken")
	}
}
