package pool

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		total              int
		held, demand, most []int
		want               []int
	}{
		{10, []int{0, 0}, []int{1, 1}, []int{50, 50}, []int{5, 5}},
		{10, []int{0, 0}, []int{9, 1}, []int{50, 50}, []int{9, 1}},
		{10, []int{5, 5}, []int{8, 1}, []int{50, 50}, []int{8, 2}},   // a need moves connections
		{10, []int{8, 2}, []int{3, 2}, []int{50, 50}, []int{8, 2}},   // nobody needs them back
		{10, []int{8, 2}, []int{3, 4}, []int{50, 50}, []int{5, 5}},   // somebody does
		{10, []int{5, 5}, []int{30, 30}, []int{50, 50}, []int{5, 5}}, // too much for both
		{10, []int{10, 0}, []int{30, 1}, []int{50, 50}, []int{9, 1}}, // one at least
		{11, []int{0, 0, 0}, []int{1, 1, 1}, []int{50, 50, 50}, []int{4, 4, 3}},
		{10, []int{0, 0}, []int{1, 1}, []int{3, 50}, []int{3, 7}},
		{2, []int{1, 1, 0}, []int{9, 9, 9}, []int{50, 50, 50}, []int{1, 1, 0}},
		{0, []int{0}, []int{9}, []int{50}, []int{0}},
		{6, []int{10, 2}, []int{10, 2}, []int{50, 50}, []int{4, 2}}, // the server has got smaller
	} {
		var members []*member
		for i := range c.held {
			members = append(members, &member{Held: c.held[i], Demand: c.demand[i], Max: c.most[i]})
		}
		if got := divide(c.total, members); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// simulated is an instance, and what it really does.
type simulated struct {
	id      string
	bound   int
	open    []uint32 // server processes
	lease   uint32   // that of its lease
	demand  int
	stopped bool // it does nothing, and its connections stay
	frozen  bool // it was stopped for long, and has not renewed its lease since
	renewed time.Time
}

// simulation is a server with instances that join, leave, crash, stop and come back in any order.
// All of it happens in the order of one goroutine, with a clock of its own.
type simulation struct {
	*testing.T
	rand    *rand.Rand
	limit   int
	now     time.Time
	fleet   *fleet
	alive   map[uint32]float64
	seats   map[uint32]string // instances, by the server processes of their leases
	orphans []uint32          // server processes whose instance has crashed
	list    []*simulated
	ids     int
	losses  int // of what is stored
}

const simulatedTTL = 5 * time.Second

func (s *simulation) start() uint32 {
	s.ids++
	id := uint32(s.ids)
	s.alive[id] = s.seconds()
	return id
}

func (s *simulation) seconds() float64 { return float64(s.now.UnixNano()) / 1e9 }

func (s *simulation) beat(i *simulated) share {
	if s.rand.IntN(20) == 0 { // What is kept goes through the store.
		state, err := s.fleet.state()
		if err == nil {
			s.fleet, err = readFleet(state)
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	r := report{id: i.id, bound: i.bound, open: len(i.open), demand: i.demand, max: 200,
		backend: append(slices.Clone(i.open), i.lease)}
	seats := map[uint32]bool{}
	for process, id := range s.seats {
		if _, ok := s.alive[process]; ok {
			seats[seat(id)] = true
		}
	}
	got := s.fleet.renew(r, servers{s.limit - 3, 3, s.seconds(), s.alive, seats}, s.now, simulatedTTL)
	s.seats[i.lease] = i.id
	if s.rand.IntN(50) > 0 { // Otherwise the answer is lost.
		i.bound, i.frozen, i.renewed = got.granted, false, s.now
	}
	return got
}

func (s *simulation) end(id uint32) { delete(s.alive, id) }

func (s *simulation) step() {
	s.now = s.now.Add(time.Duration(s.rand.IntN(100)) * time.Millisecond)
	if len(s.orphans) > 0 && s.rand.IntN(4) == 0 {
		s.end(s.orphans[0])
		s.orphans = s.orphans[1:]
	}
	if len(s.orphans) == 0 && s.rand.IntN(300) == 0 { // What a crashed one left would be forgotten.
		s.fleet = &fleet{}
		s.losses++
	}
	if len(s.list) == 0 || len(s.list) < 14 && len(s.alive) < s.limit && s.rand.IntN(300) == 0 {
		i := &simulated{id: fmt.Sprint("instance ", s.ids), lease: s.start(), demand: 1}
		if s.beat(i).members > 0 {
			i.renewed = s.now
			s.list = append(s.list, i)
		} else {
			s.end(i.lease)
		}
		return
	}
	n := s.rand.IntN(len(s.list))
	i := s.list[n]
	if i.stopped {
		if s.rand.IntN(200) == 0 { // It comes back, and announces itself first.
			i.stopped, i.frozen = false, s.now.Sub(i.renewed) > simulatedTTL
			s.beat(i)
		}
		return
	}
	if !i.frozen && s.now.Sub(i.renewed) > simulatedTTL/2 {
		s.beat(i)
		return
	}
	switch k := s.rand.IntN(1000); {
	case k < 300:
		s.beat(i)
	case k < 700: // The gate.
		for range s.rand.IntN(5) {
			if len(i.open) < i.bound && (!i.frozen || len(i.open) == 0) {
				i.open = append(i.open, s.start())
			}
		}
	case k < 990:
		for len(i.open) > 0 && (len(i.open) > i.bound || s.rand.IntN(3) == 0) {
			s.end(i.open[0])
			i.open = i.open[1:]
		}
	case k < 994:
		i.demand = s.rand.IntN(60)
	case k < 996:
		s.list = slices.Delete(s.list, n, n+1)
		s.orphans = append(append(s.orphans, i.open...), i.lease) // a crash
	case k < 998:
		for _, id := range append(i.open, i.lease) {
			s.end(id)
		}
		s.fleet.leave(i.id)
		s.list = slices.Delete(s.list, n, n+1)
	default:
		i.stopped = true
	}
}

// settle lets those that live renew until nothing changes, and checks that all is divided.
func (s *simulation) settle() {
	s.now = s.now.Add(2 * simulatedTTL)
	s.list = slices.DeleteFunc(s.list, func(i *simulated) bool {
		if i.stopped { // It is over for good.
			s.orphans = append(append(s.orphans, i.open...), i.lease)
		}
		return i.stopped
	})
	for _, id := range s.orphans {
		s.end(id)
	}
	s.orphans = nil
	var last share
	for range 4 { // The first tells that others are dead; two give up and take; the last looks.
		s.now = s.now.Add(time.Second)
		for _, i := range s.list {
			for i.bound = s.beat(i).granted; len(i.open) > i.bound; i.open = i.open[1:] {
				s.end(i.open[0])
			}
		}
	}
	sum := 0
	for _, i := range s.list {
		last = s.beat(i)
		i.bound = last.granted
		sum += i.bound
		if i.bound < 1 {
			s.Errorf("an instance has %d connections of %d for %d", i.bound, last.total, last.members)
		}
	}
	if len(s.list) > 0 && (sum != s.limit-3-len(s.list) || last.members != len(s.list)) {
		s.Errorf("%d instances have %d of %d: %+v", len(s.list), sum, s.limit-3, last)
	}
}

// Whatever happens, the server's limit is never exceeded, and everything is divided when it is quiet.
func TestSharesNeverExceedTheLimit(t *testing.T) {
	for seed := range uint64(10) {
		s := &simulation{T: t, rand: rand.New(rand.NewPCG(seed, 24)), limit: 60, now: time.Unix(1e9, 0), fleet: &fleet{},
			alive: map[uint32]float64{}, seats: map[uint32]string{}}
		most := 0
		for i := range 10_000 {
			s.step()
			most = max(most, len(s.alive))
			if len(s.alive) > s.limit {
				t.Fatalf("seed %d, step %d: %d connections of %d", seed, i, len(s.alive), s.limit)
			}
			if i%2000 == 1999 {
				s.settle()
			}
		}
		if most < 40 || s.losses < 5 {
			t.Errorf("only %d connections, %d losses: the simulation does nothing", most, s.losses)
		}
	}
}
