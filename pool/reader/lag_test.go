package reader

import (
	"math"
	"testing"
	"time"
)

func TestLagMeter(t *testing.T) {
	m := &lagMeter{}
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	if m.lag(at(0), 0) != 0 {
		t.Error("there is lag where nothing is known")
	}
	for _, p := range []struct {
		at  int
		lsn int64
	}{{0, 100}, {1, 200}, {2, 200}, {3, 300}, {50, 300}} {
		m.add(at(p.at), p.lsn, 10*time.Second)
	}
	for _, c := range []struct {
		now      int
		replayed int64
		want     time.Duration
	}{{51, 300, 0}, {51, 400, 0}, {4, 250, time.Second}, {51, 250, 48 * time.Second}, {51, 150, 50 * time.Second}} {
		if got := m.lag(at(c.now), c.replayed); got != c.want {
			t.Errorf("at %d s, replayed to %d: %v, want %v", c.now, c.replayed, got, c.want)
		}
	}
}

// Replicas take turns by a count that starts again from 0.
func TestTurnsOfReplicas(t *testing.T) {
	r := &Reader{}
	for range 4 {
		r.backends = append(r.backends, &backend{reader: r})
	}
	for _, turn := range []uint32{0, math.MaxInt32 - 1, math.MaxUint32 - 1} {
		r.turn.Store(turn)
		got := map[*backend]bool{}
		for range 6 {
			got[r.pick(&call{})] = true
		}
		if len(got) != 3 || got[r.backends[0]] {
			t.Errorf("from turn %d: %d servers, the primary: %v", turn, len(got), got[r.backends[0]])
		}
	}
}
