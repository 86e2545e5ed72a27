package plancache

import "sync/atomic"

// table finds entries by the hash of their key. Readers take no lock; writers hold
// the epoch's.
type table[P any] struct {
	slots []atomic.Pointer[entry[P]] // a power of two of them, at most half in use
	dead  *entry[P]                  // takes the place of what was removed
	used  int                        // slots that are not nil
}

const minSlots = 64

func newTable[P any](slots int) *table[P] {
	return &table[P]{slots: make([]atomic.Pointer[entry[P]], slots), dead: &entry[P]{}}
}

// find returns the entry of a key, or nil.
func (t *table[P]) find(hash uint64, key *Key) *entry[P] {
	slots := t.slots
	mask := uint64(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := slots[i].Load()
		if e == nil {
			return nil
		}
		if e.hash == hash && e.key == *key && e != t.dead {
			return e
		}
	}
}

// put adds an entry, or replaces that of the same key, which it returns. It returns
// another table if this one is full.
func (t *table[P]) put(e *entry[P]) (_ *table[P], old *entry[P]) {
	if t.used >= len(t.slots)/2 {
		t = t.rebuilt()
	}
	mask := uint64(len(t.slots) - 1)
	free := -1
	for i := e.hash & mask; ; i = (i + 1) & mask {
		switch have := t.slots[i].Load(); {
		case have == nil:
			if free < 0 {
				free = int(i)
				t.used++
			}
			t.slots[free].Store(e)
			return t, nil
		case have == t.dead:
			if free < 0 {
				free = int(i)
			}
		case have.hash == e.hash && have.key == e.key:
			t.slots[i].Store(e)
			return t, have
		}
	}
}

// remove takes an entry out.
func (t *table[P]) remove(e *entry[P]) {
	mask := uint64(len(t.slots) - 1)
	for i := e.hash & mask; ; i = (i + 1) & mask {
		switch t.slots[i].Load() {
		case e:
			t.slots[i].Store(t.dead)
			return
		case nil:
			return
		}
	}
}

// rebuilt returns a table without dead slots, in which a quarter is in use at most.
func (t *table[P]) rebuilt() *table[P] {
	live := 0
	for i := range t.slots {
		if e := t.slots[i].Load(); e != nil && e != t.dead {
			live++
		}
	}
	size := minSlots
	for size < 4*(live+1) {
		size *= 2
	}
	fresh := newTable[P](size)
	for i := range t.slots {
		if e := t.slots[i].Load(); e != nil && e != t.dead {
			fresh.put(e)
		}
	}
	return fresh
}
