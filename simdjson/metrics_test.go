package simdjson

import (
	"maps"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost"
)

func metricValues() map[string]float64 {
	values := map[string]float64{}
	for m := range Source().Metrics() {
		name := m.Name
		for _, a := range m.Attrs {
			name += " " + a.Key + "=" + a.Value
		}
		values[name] = m.Value
	}
	return values
}

func TestMetrics(t *testing.T) {
	long, small := longText(), []byte(`{"a":1}`)
	k := " kernel=" + Kernel()
	p := " kernel=portable"
	before := metricValues()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				for _, text := range [][]byte{long, small, []byte(`{`), append(long[:len(long):len(long)], '!')} {
					doc, _ := Parse(text)
					doc.Close()
				}
			}
		})
	}
	wg.Wait()
	want := map[string]float64{"documents" + k: 4000, "size" + k: 4000 * float64(len(long)), "errors" + k: 4000}
	for name, v := range map[string]float64{"documents" + p: 4000, "size" + p: 4000 * float64(len(small)), "errors" + p: 4000} {
		want[name] += v
	}
	after := metricValues()
	got := map[string]float64{}
	for name, v := range after {
		if d := v - before[name]; d != 0 {
			got[name[len("gqlboost.simdjson."):]] = d
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for m := range Source().Metrics() {
		if m.Kind != gqlboost.Counter || m.Unit == "" || m.Help == "" {
			t.Errorf("got %+v", m)
		}
		break // Stopping early is allowed.
	}
}

// A shard's word is emptied before the documents in it run over into the bytes.
func TestShardOverflow(t *testing.T) {
	s := new(shard)
	for range drainAt + 10 {
		s.parsed(portable, 3)
	}
	for range 5000 {
		s.parsed(portable, maxDocument-1)
	}
	got := s.drain(portable)
	want := tally{documents: drainAt + 10 + 5000, bytes: (drainAt+10)*3 + 5000*(maxDocument-1)}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
