package pool

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost"
)

var _ gqlboost.Source = (*Pool)(nil)

func TestMetrics(t *testing.T) {
	p := open(t, "pool_max_conns=2&pool_min_conns=2&pool_warm=true&pool_queue_timeout=10ms")
	values := func(p *Pool) map[string]float64 {
		v := map[string]float64{}
		last := ""
		for m := range p.Metrics() {
			name := m.Name
			if name != last {
				if _, ok := v[name]; ok {
					t.Errorf("%s is not next to itself", name)
				}
				v[name] = 0
			}
			last = name
			for _, a := range m.Attrs {
				if a.Value != "pool" {
					name += " " + a.Value
				}
			}
			v[name] = m.Value
			if m.Unit == "" || m.Help == "" {
				t.Errorf("got %+v", m)
			}
		}
		return v
	}
	a, _ := p.Acquire(t.Context())
	b, _ := p.Acquire(t.Context())
	if _, err := p.Acquire(t.Context()); err == nil {
		t.Error("a third connection")
	}
	v := values(p)
	for name, want := range map[string]float64{
		"db.client.connection.count used": 2, "db.client.connection.max": 2, "db.client.connection.timeouts": 1,
		"db.client.connection.pending_requests": 0, "gqlboost.pool.acquires": 4 /* two to warm up */, "gqlboost.pool.waits": 1,
	} {
		if v[name] != want {
			t.Errorf("%s is %v, want %v", name, v[name], want)
		}
	}
	if v["db.client.connection.wait_time"] < 0.009 {
		t.Errorf("waited for %v s", v["db.client.connection.wait_time"])
	}
	a.Release()
	b.Release()
	p = open(t, "pool_max_conns=4")
	r := p.Reader()
	var ran atomic.Int64
	deadline := time.Now().Add(30 * time.Second)
	const shared, direct = "gqlboost.pool.reader.statements shared", "gqlboost.pool.reader.statements direct"
	crowd(32, func(int) {
		for i := 0; i < 20 || values(p)[shared] == 0 && time.Now().Before(deadline); i++ {
			ran.Add(1)
			if err := r.QueryRow(t.Context(), "select 1").Scan(new(int)); err != nil {
				t.Error(err)
			}
		}
	})
	v = values(p)
	if sum := v[shared] + v[direct]; sum != float64(ran.Load()) {
		t.Errorf("%v statements, want %d", sum, ran.Load())
	}
	if v["gqlboost.pool.reader.batched"] < v["gqlboost.pool.reader.batches"] || v["gqlboost.pool.reader.batches"] == 0 {
		t.Errorf("got %v", v)
	}
	for range p.Metrics() {
		break // Stopping early is allowed.
	}
}
