package bus

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sender is an origin of the model.
type sender struct {
	origin string
	seq    uint64
	last   time.Time // when seq was sent
	missed bool      // the receiver has missed keys since all was dropped, and was not told
	moot   bool      // it has missed some before that, and may be told
}

// Senders come and go, and messages are lost: the receiver learns of a loss by the next
// message of the same origin, and learns of none where nothing was lost.
func TestPeersModel(t *testing.T) {
	steps := 100_000
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	now := time.Unix(0, 0)
	p := newPeers("self", Options{Silence: time.Hour, Forget: 2 * time.Hour}, now)
	var senders []*sender
	dropped := func() {
		p.dropped(now)
		for _, s := range senders {
			s.missed, s.moot = false, s.moot || s.missed
		}
	}
	counts := map[string]int{}
	for step := range steps {
		now = now.Add(time.Duration(1+r.IntN(5000)) * time.Millisecond)
		if len(senders) == 0 || len(senders) < 8 && r.IntN(20) == 0 {
			senders = append(senders, &sender{origin: fmt.Sprintf("%016x", r.Uint64())})
		}
		i := r.IntN(len(senders))
		s := senders[i]
		m := message{kind: kindBeat, origin: s.origin, seq: s.seq}
		if !s.last.IsZero() {
			m.age = now.Sub(s.last)
		}
		switch n := r.IntN(100); {
		case n < 1:
			dropped()
			p.subscribed(now)
			for _, s := range senders {
				s.moot = false
			}
			continue
		case n < 2:
			m.kind = kindBye
			senders = append(senders[:i], senders[i+1:]...)
		case n < 50:
			s.seq++
			s.last = now
			m.kind, m.seq = kindKeys, s.seq
		}
		if lost := r.IntN(10) == 0; lost {
			switch m.kind {
			case kindKeys:
				s.missed = true
			case kindBye:
				counts["waited for"]++
			}
			continue
		}
		lost, ok := p.hear(&m, now)
		if !ok || lost != s.missed && (s.missed || !s.moot) {
			t.Fatalf("seed %d, step %d: %+v: lost %v, want %v", seed, step, m, lost, s.missed)
		}
		s.missed, s.moot = false, false
		if lost {
			counts["told"]++
			dropped() // as a link does
		}
		if len(p.list) > len(senders)+counts["waited for"] {
			t.Fatalf("seed %d, step %d: %d peers of %d", seed, step, len(p.list), len(senders))
		}
	}
	if counts["told"] < steps/1000 {
		t.Errorf("%v in %d steps", counts, steps)
	}
}

// A flood of origins is bounded.
func TestManyPeers(t *testing.T) {
	now := time.Unix(0, 0)
	p := newPeers("self", Options{Silence: time.Second, Forget: time.Minute}, now)
	refused := 0
	for i := range 2 * maxPeers {
		m := message{kind: kindBeat, origin: fmt.Sprintf("%016x", i), path: []string{fmt.Sprint("r", i)}}
		if _, ok := p.hear(&m, now); !ok {
			refused++
		}
	}
	if len(p.list) != maxPeers || refused != maxPeers || len(p.regions) != maxRegions {
		t.Errorf("%d peers, %d refused, %d regions", len(p.list), refused, len(p.regions))
	}
	if lost := p.expire(now.Add(2 * time.Minute)); !lost || len(p.list) != 0 {
		t.Errorf("lost %v, %d peers", lost, len(p.list))
	}
}

// A message that is encoded is decoded to the same, and is no longer than it may be.
func FuzzMessage(f *testing.F) {
	full := message{kind: kindKeys, origin: "0123456789abcdef", seq: 1<<64 - 2, age: maxAge, keys: []string{strings.Repeat("k", maxKey-1)}}
	for range maxPath {
		full.path = append(full.path, strings.Repeat("r", maxRegion))
	}
	if got := len(full.encode()); got > headSize+maxKey {
		f.Fatalf("%d bytes, want up to %d", got, headSize+maxKey)
	}
	for _, m := range []message{
		full, {kind: kindBeat, origin: "0123456789abcdef"}, {kind: kindBye, origin: "0123456789abcdef", seq: 7, path: []string{"eu", "us-1"}},
		{kind: kindBeat, origin: "0123456789abcdef", seq: 7, local: true},
	} {
		f.Add(m.encode())
	}
	f.Add([]byte("tag:abc*"))
	f.Add([]byte("gqlboost2 keys"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decode(data)
		if err != nil {
			if !reflect.DeepEqual(m, message{}) {
				t.Errorf("%v, and a message: %+v", err, m)
			}
			return
		}
		if m.origin == "" {
			return
		}
		again, err := decode(m.encode())
		if len(m.keys) == 0 { // nil or empty
			m.keys, again.keys = nil, nil
		}
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%q: got %+v, then %+v, %v", data, m, again, err)
		}
	})
}
