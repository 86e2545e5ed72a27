package arena

import (
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost"
)

func values(t *testing.T, s gqlboost.Source) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for m := range s.Metrics() {
		if !strings.HasPrefix(m.Name, "gqlboost.arena.") || m.Unit == "" || !strings.HasSuffix(m.Help, ".") {
			t.Errorf("incomplete: %+v", m)
		}
		if _, again := found[m.Name]; again {
			t.Errorf("%s comes twice", m.Name)
		}
		found[m.Name] = m.Value
	}
	for range s.Metrics() {
		break // A receiver may stop early.
	}
	return found
}

func TestMetricsCountWhatHappens(t *testing.T) {
	before := values(t, Source())
	New().Free()
	after := values(t, Source())
	for _, name := range []string{"gqlboost.arena.arenas.taken", "gqlboost.arena.arenas.freed"} {
		if after[name] != before[name]+1 {
			t.Errorf("%s went from %v to %v", name, before[name], after[name])
		}
	}

	var buffers Buffers
	buffers.Put(buffers.Get(1000))
	if got := values(t, &buffers); got["gqlboost.arena.buffers.gets"] != 1 || got["gqlboost.arena.buffers.puts"] != 1 ||
		got["gqlboost.arena.buffers.retained"] != 1024 {
		t.Errorf("buffers: %v", got)
	}
	var interner Interner
	interner.Bytes([]byte("name"))
	if got := values(t, &interner); got["gqlboost.arena.interned.strings"] != 1 || got["gqlboost.arena.interned.size"] != 4 {
		t.Errorf("interner: %v", got)
	}
	var pool Pool[int]
	pool.Put(pool.Get())
	if got := values(t, &pool); got["gqlboost.arena.pool.gets"] != 1 || got["gqlboost.arena.pool.misses"] != 1 {
		t.Errorf("pool: %v", got)
	}

	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	defer TuneGC(GCOptions{Budget: 512 << 20})()
	if got := values(t, Source()); got["gqlboost.arena.gc.budget"] != 512<<20 {
		t.Errorf("governor: %v", got)
	}
}
