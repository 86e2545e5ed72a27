package arena

import (
	"testing"

	"github.com/gqlboost/gqlboost/internal/race"
)

type request struct {
	fields []string
	user   *int
}

func TestPool(t *testing.T) {
	made := 0
	p := Pool[request]{
		New:   func() *request { made++; return &request{fields: make([]string, 0, 8)} },
		Reset: func(r *request) { clear(r.fields); r.fields = r.fields[:0]; r.user = nil },
		Keep:  func(r *request) bool { return cap(r.fields) <= 128 },
	}
	for n := range 100 {
		r := p.Get()
		if len(r.fields) != 0 || r.user != nil || cap(r.fields) < 8 || cap(r.fields) > 128 {
			t.Fatalf("round %d: not clean: %+v", n, r)
		}
		r.user = &n
		for range 1 + n {
			r.fields = append(r.fields, "field")
		}
		p.Put(r)
	}
	p.Put(nil)
	s := p.Stats()
	if s.Gets != 100 || s.Misses != uint64(made) || s.Dropped == 0 {
		t.Errorf("%d made, %+v", made, s)
	}
	if !race.Enabled && made > 60 {
		t.Errorf("%d of 100 were made again", made)
	}
}

func TestZeroPoolClears(t *testing.T) {
	var p Pool[request]
	for range 10 {
		r := p.Get()
		if r.fields != nil || r.user != nil {
			t.Fatalf("not zero: %+v", r)
		}
		r.fields, r.user = []string{"x"}, new(int)
		p.Put(r)
	}
}

// The allocator gives the address of a value that was lent and never put back to another
// one. That must not be known twice.
func TestSecondPutAtAnAddressThatWasLost(t *testing.T) {
	quiet(t)
	var memory request
	p := Pool[request]{
		New: func() *request {
			memory = request{fields: make([]string, 0, 4)}
			return &memory
		},
		Reset: func(r *request) { r.fields = r.fields[:0] },
	}
	p.Get()
	v := p.Get()
	p.Put(v)
	p.Put(v)
	if s := p.Stats(); s.Dropped != 1 {
		t.Errorf("the second Put was not ignored: %+v", s)
	}
	for range 2 {
		if v := p.Get(); cap(v.fields) < 4 {
			t.Errorf("not as New makes it: %+v", v)
		}
	}
}

func TestRegistryKnowsAnAddressOnce(t *testing.T) {
	for address := uintptr(8); address <= 1<<12; address += 8 {
		r := new(registry)
		r.add(address, 1)
		r.add(address, 2)
		if tag, ok := r.claim(address); !ok || tag != 2 {
			t.Fatalf("%#x: got tag %d, %v, want that of the last object", address, tag, ok)
		}
		if _, ok := r.claim(address); ok {
			t.Fatalf("%#x is claimed twice", address)
		}
	}
}
