package arena

import (
	"fmt"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// shapes are heaps by how far a program has come, from 0 to 1: the MiB that are alive.
var shapes = map[string]func(at float64) float64{
	"steady": func(float64) float64 { return 40 },
	"small":  func(float64) float64 { return 1 },
	"wave":   func(at float64) float64 { return 35 - 25*math.Cos(at*8*2*math.Pi) },
	"saw":    func(at float64) float64 { return 5 + 60*math.Mod(at*6, 1) },
	"bursts": func(at float64) float64 {
		if math.Mod(at*10, 1) > 0.9 {
			return 60
		}
		return 10
	},
	"growing":   func(at float64) float64 { return 2 + 70*at },
	"shrinking": func(at float64) float64 { return 72 - 70*at },
}

// record is what such a heap is made of: objects of many sizes, that refer to others.
type record struct {
	next *record
	text []byte
}

// runShape makes garbage beside a live heap of a shape, and prints its peak in KiB, the
// collections and the collector's CPU time in milliseconds.
func runShape(how string) {
	name, same, _ := strings.Cut(how, " ")
	if same == "true" {
		defer TuneGC(GCOptions{SameMemory: true, Interval: 50 * time.Millisecond})()
	}
	size := func(i int) int { return 64 << (i * 7 % 8) } // 64 B to 8 KiB
	const mean = (64<<8 - 64) / 8
	var live []*record
	used := 0
	for step := range 4000 {
		target := int(shapes[name](float64(step)/4000) * (1 << 20))
		for used < target {
			r := &record{text: make([]byte, size(len(live)))}
			for i := 0; i < len(r.text); i += 64 {
				r.text[i] = 1
			}
			if len(live) > 0 {
				r.next = live[len(live)/2]
			}
			live = append(live, r)
			used += len(r.text) + 32
		}
		for used > target && len(live) > 0 {
			last := len(live) - 1
			used -= len(live[last].text) + 32
			live[last], live = nil, live[:last]
		}
		for i := range (512 << 10) / mean { // Half a MiB of garbage.
			sink = make([]byte, size(i))
			sink[0] = 1
		}
	}
	runtime.KeepAlive(live)
	r := readRuntime()
	fmt.Println(peakMemory(), r.cycles, int(r.gc*1000))
}

// With SameMemory a process takes no more memory at its peak than with GOGC=100, whatever
// shape its heap has. The collector's own timing moves each peak by a tenth, so medians
// count, and where few are measured, far more than that.
func TestSameMemoryOfShapes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	rounds, names, atMost := 3, []string{"wave"}, 1.2
	if os.Getenv("GQLBOOST_LONG") != "" {
		rounds, names, atMost = 15, slices.Sorted(maps.Keys(shapes)), 1.04
	}
	for _, name := range names {
		var plain, same []int
		for range rounds {
			for kind, list := range map[string]*[]int{"false": &plain, "true": &same} {
				var peak, collections, milliseconds int
				child(t, "shape "+name+" "+kind, &peak, &collections, &milliseconds)
				*list = append(*list, peak)
			}
		}
		slices.Sort(plain)
		slices.Sort(same)
		ratio := float64(same[rounds/2]) / float64(plain[rounds/2])
		t.Logf("%s: %.2f of the peak: %v KiB, with GOGC=100 %v", name, ratio, same, plain)
		if ratio > atMost {
			t.Errorf("%s: the peak is %.2f of that with GOGC=100", name, ratio)
		}
	}
}
