package advisor

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// What a history says has happened is what has, whatever was reset between the snapshots,
// except what ran between a snapshot and the reset.
func TestHistory(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var h History
		calls, scans := int64(r.IntN(100)), int64(r.IntN(100))
		ran, scanned := int64(0), int64(0) // since the first snapshot of the period
		from := r.IntN(3)
		const n = 6
		for i := range n {
			if i > 0 {
				if r.IntN(3) == 0 {
					calls, scans = 0, 0
				}
				more := int64(r.IntN(50))
				if calls == 0 {
					more += 200 // A reset shows if the counters are lower than before.
				}
				before := calls
				if calls += more; i > from {
					ran += more
				}
				if before == 0 && h[i-1].Statements[1].Calls <= calls && h[i-1].Statements[1].Calls > 0 {
					calls = h[i-1].Statements[1].Calls - 1 // so it does
					if i > from {
						ran += calls - more
					}
				}
				each := int64(r.IntN(50))
				if scans += each; i > from {
					if scans < h[i-1].Scans[7] {
						scanned += scans
					} else {
						scanned += scans - h[i-1].Scans[7]
					}
				}
			}
			h = append(h, &Snapshot{
				At:         start.AddDate(0, 0, i),
				Statements: map[int64]Counters{1: {Calls: calls, Rows: 2 * calls}},
				Scans:      map[uint32]int64{7: scans},
			})
		}
		base := h.Since(start.AddDate(0, 0, from))
		last := h[n-1]
		if got := last.Statements[1].since(base.Statements[1]); got.Calls != ran || got.Rows != 2*ran {
			t.Fatalf("seed %d: %d calls, should be %d", seed, got.Calls, ran)
		}
		if got := last.Scans[7] - base.Scans[7]; got != scanned {
			t.Fatalf("seed %d: %d scans, should be %d", seed, got, scanned)
		}
		if !base.At.Equal(start.AddDate(0, 0, from)) {
			t.Fatal(base.At)
		}
	}
}

func TestHistoryFile(t *testing.T) {
	h := History{{At: time.Unix(1, 0)}, {At: time.Unix(5, 0)}}
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		t.Fatal(err)
	}
	again, err := ReadHistory(bytes.NewReader(b.Bytes()))
	if err != nil || len(again) != 2 || !again[1].At.Equal(h[1].At) {
		t.Errorf("%v %v", again, err)
	}
	if _, err := ReadHistory(bytes.NewReader(b.Bytes()[:b.Len()-5])); err == nil {
		t.Error("a torn history is read")
	}
	if h.Since(time.Unix(2, 0)) != nil || len(h.Keep(time.Unix(2, 0))) != 1 {
		t.Error("a period of one snapshot")
	}
}
