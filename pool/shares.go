package pool

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"
)

// fleet is what the instances know of each other, as it is stored. One instance at a time changes
// it. The invariant: what members hold, taken together, is no more than there is to divide, and no
// instance opens more connections than its member holds. So a share grows only by what another
// instance has given up.
type fleet struct {
	Members []*member
	// Missing are the seats of instances that were there when nothing was stored, and have not announced
	// themselves since: a store may lose what it has. Until they have, or are gone, nobody knows what
	// is free, and no share grows.
	Missing []uint32
}

// member is an instance that has announced itself. What it holds may exceed what is there to divide
// only if the server has got smaller, or it has come back after it was taken for dead.
type member struct {
	ID      string
	Joined  time.Time // by the store's clock, as Until
	Until   time.Time // it is taken for dead then
	Held    int       // connections that it may open, or has not closed yet
	Had     int       // most that it could have when it was seen last, with that of its lease
	Demand  int       // connections that its callers could use
	Max     int       // that it can use
	Seen    float64   // by Postgres's clock, in seconds
	Backend []uint32  // process IDs of its server processes then
}

// report is what an instance says of itself.
type report struct {
	id      string
	bound   int // connections that it may open, by its last share
	open    int // that it has
	demand  int
	max     int
	backend []uint32
}

// servers is what Postgres says of the fleet's server.
type servers struct {
	budget  int                // connections that there are for the fleet, without the reserve
	reserve int                // connections that there are besides
	now     float64            // Postgres's time, in seconds
	alive   map[uint32]float64 // server processes, and when each was started; 0 if that is hidden
	seats   map[uint32]bool    // of the fleet's instances that are connected, whatever is stored of them
}

func (s servers) lives(id uint32) bool {
	_, ok := s.alive[id]
	return ok
}

// share is what an instance gets, and what its fleet looks like.
type share struct {
	granted int
	target  int // what it is to have when others have given it up
	members int // that live
	total   int // connections that are divided
	held    int // by all
}

// readFleet reads what was stored.
func readFleet(state []byte) (*fleet, error) {
	f := &fleet{}
	if len(state) == 0 {
		return f, nil
	}
	err := json.Unmarshal(state, f)
	if err == nil && slices.Contains(f.Members, nil) {
		err = errors.New("a member is null")
	}
	if err != nil {
		return nil, errPermanent{fmt.Errorf("what is stored of the fleet cannot be read: %w: if nothing else writes "+
			"there, delete it while no instance runs", err)}
	}
	return f, nil
}

func (f *fleet) state() ([]byte, error) { return json.Marshal(f) }

// renew takes a report in, and grants what is free. Each member that lives has one connection of
// the budget for its lease. A new one has that of the reserve, until others have made room; if all of
// the reserve but one has been taken so, or somebody is missing, it must come again, and the share has
// no members. now is the store's time.
func (f *fleet) renew(r report, on servers, now time.Time, ttl time.Duration) share {
	lost := f.miss(r.id, on)
	me := f.find(r.id)
	if me == nil {
		taken := 1
		for _, m := range f.Members {
			taken += 1 + m.Held
		}
		full := len(f.Missing) > 0 || taken > on.budget+max(1, on.reserve-1)
		if full && !lost && r.open == 0 {
			return share{}
		}
		me = &member{ID: r.id, Joined: now}
		f.Members = append(f.Members, me)
	}
	if !me.Until.After(now) { // New, lost, or taken for dead: only its open connections still count.
		me.Held = 0
	}
	me.Held = max(r.open, min(r.bound, me.Held))
	me.Until, me.Demand, me.Max = now.Add(ttl), r.demand, r.max
	me.Seen, me.Backend = on.now, r.backend
	f.bury(now, ttl, on)
	slices.SortStableFunc(f.Members, func(a, b *member) int {
		return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.ID, b.ID))
	})
	var living []*member
	s := share{total: on.budget}
	for _, m := range f.Members {
		if m.Until.After(now) {
			living = append(living, m)
			s.held += m.Held
			s.total--
		} else {
			s.total -= m.Held
		}
	}
	s.members, s.total = len(living), max(0, s.total)
	s.target = divide(s.total, living)[slices.Index(living, me)]
	s.granted = s.target
	if more := s.target - me.Held; more > 0 {
		more = min(more, max(0, s.total-s.held))
		if len(f.Missing) > 0 {
			more = 0
		}
		me.Held += more
		s.held += more
		s.granted = me.Held
	}
	me.Had = me.Held + 1
	return s
}

// miss takes in that an instance announces itself, and reports whether it was missing.
func (f *fleet) miss(id string, on servers) bool {
	if len(f.Members) == 0 {
		f.Missing = slices.Sorted(maps.Keys(on.seats))
	}
	own := seat(id)
	missing := slices.Contains(f.Missing, own)
	f.Missing = slices.DeleteFunc(f.Missing, func(s uint32) bool { return s == own || !on.seats[s] })
	return missing && f.find(id) == nil
}

func (f *fleet) find(id string) *member {
	for _, m := range f.Members {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// leave removes an instance that has closed its connections.
func (f *fleet) leave(id string) {
	f.Members = slices.DeleteFunc(f.Members, func(m *member) bool { return m.ID == id })
}

// bury takes in that instances are dead. As many as there are of their server processes keep their
// connections: one may work on a statement that nobody waits for, and an instance that was only
// stopped may come back. To what it had when it was seen last comes what was started since and is
// nobody else's.
func (f *fleet) bury(now time.Time, ttl time.Duration, on servers) {
	others := map[uint32]bool{} // process IDs are used again
	for _, m := range f.Members {
		if m.Until.After(now) {
			for _, id := range m.Backend {
				others[id] = true
			}
		}
	}
	f.Members = slices.DeleteFunc(f.Members, func(m *member) bool {
		if m.Until.After(now) {
			return false
		}
		m.Backend = slices.DeleteFunc(m.Backend, func(id uint32) bool { return !on.lives(id) || others[id] })
		for id, started := range on.alive {
			since := started >= m.Seen && started <= m.Seen+ttl.Seconds() // It may be another dead one's.
			if since && !others[id] && !slices.Contains(m.Backend, id) {
				m.Backend = append(m.Backend, id)
			}
		}
		m.Held = min(m.Had, len(m.Backend))
		return m.Held == 0
	})
}

// divide says how many connections each member is to have: one at least, then what its
// callers can use, evenly where that is too much, then what is left, so that shares are even.
// As long as everyone has what its callers can use, nobody gives anything up.
func divide(total int, members []*member) []int {
	least, wanted, most := make([]int, len(members)), make([]int, len(members)), make([]int, len(members))
	sum, content := 0, true
	for i, m := range members {
		most[i] = max(1, m.Max)
		least[i], wanted[i] = 1, min(max(1, m.Demand), most[i])
		sum += wanted[i]
	}
	if total < len(members) { // Those that came first have one.
		for i := range least {
			if least[i] = 0; i < total {
				least[i] = 1
			}
		}
		return least
	}
	targets := level(total, least, wanted)
	if sum <= total {
		targets = level(total, wanted, most)
	}
	held, kept := 0, make([]int, len(members))
	for i, m := range members {
		content = content && m.Held >= min(wanted[i], targets[i]) && m.Held > 0
		kept[i] = min(m.Held, most[i])
		held += kept[i]
	}
	if content && held <= total {
		return level(total, kept, most)
	}
	return targets
}

// level distributes a total among values between low and high, so that they are as even as they
// can be. The sum of low must not exceed it.
func level(total int, low, high []int) []int {
	at := func(height int) (values []int, sum int) {
		values = make([]int, len(low))
		for i := range low {
			values[i] = max(low[i], min(height, high[i]))
			sum += values[i]
		}
		return values, sum
	}
	height := sort.Search(total, func(h int) bool { // the largest that fits, as 0 does
		_, sum := at(h + 1)
		return sum > total
	})
	values, sum := at(height)
	for i := range values {
		if sum < total && values[i] == max(low[i], height) && values[i] < high[i] && height >= low[i] {
			values[i]++
			sum++
		}
	}
	return values
}
