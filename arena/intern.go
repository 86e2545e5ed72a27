package arena

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	ways = 4 // places where a string may be

	defaultMaxEntries = 4096
	defaultMaxBytes   = 1 << 20
	defaultMaxLength  = 128

	// mostEntries bounds the table, which is allocated as a whole: 128 MiB.
	mostEntries = 1 << 24
)

// Interner returns the same string for the same bytes, without allocating it
// again: for names, enum values and whatever else repeats. Its zero value is
// ready. It is safe for concurrent use and must not be copied. Its fields must
// not be changed after the first use.
//
// It is a cache, not a dictionary: it never holds more than its limits, and what
// does not fit is returned as an ordinary string. Distinct keys that a client
// makes up can neither grow it nor, as long as the useful strings keep coming,
// drive those out: a string that has been asked for again outlives one that was
// not (the second chance of the CLOCK algorithm, Corbató 1968, in sets of four).
type Interner struct {
	MaxEntries int // 4096 if 0; MaxBytes and 16,777,216 at most, rounded up to a power of two
	MaxBytes   int // of all strings, 1 MiB if 0
	MaxLength  int // bytes of a string that is worth keeping, 128 if 0; MaxBytes at most

	table atomic.Pointer[internTable]
	once  sync.Once
}

type internTable struct {
	seed      maphash.Seed
	mask      uint64 // of the index of a set
	maxLength int
	maxBytes  int64
	sets      []internSet

	mu        sync.Mutex // held while a set changes; reading takes no lock
	bytes     int64
	entries   int64
	hand      uint64 // the set that makeRoom looks at next
	misses    atomic.Uint64
	evictions atomic.Uint64
}

type internSet [ways]atomic.Pointer[interned]

type interned struct {
	text string
	hash uint64
	used atomic.Bool // asked for since it was last considered for eviction
}

func (i *Interner) start() *internTable {
	i.once.Do(func() {
		or := func(n, def int) int {
			if n <= 0 {
				return def
			}
			return n
		}
		maxBytes := or(i.MaxBytes, defaultMaxBytes)
		// All but the empty string have a byte at least.
		entries := min(or(i.MaxEntries, defaultMaxEntries), maxBytes, mostEntries)
		sets := 1
		for sets*ways < entries {
			sets *= 2
		}
		i.table.Store(&internTable{
			seed: maphash.MakeSeed(), mask: uint64(sets - 1), sets: make([]internSet, sets),
			maxLength: min(or(i.MaxLength, defaultMaxLength), maxBytes), maxBytes: int64(maxBytes),
		})
	})
	return i.table.Load()
}

// Bytes returns the string with the contents of b. It does not keep b, and
// allocates nothing if it knows the string.
func (i *Interner) Bytes(b []byte) string {
	t := i.table.Load()
	if t == nil {
		t = i.start()
	}
	if len(b) > t.maxLength {
		return string(b)
	}
	hash := maphash.Bytes(t.seed, b)
	set := &t.sets[hash&t.mask]
	for way := range set {
		if e := set[way].Load(); e != nil && e.hash == hash && e.text == string(b) {
			if !e.used.Load() {
				e.used.Store(true)
			}
			return e.text
		}
	}
	return t.add(set, hash, string(b))
}

// String is [Interner.Bytes] for a string. What it returns shares memory with s
// only if s is longer than MaxLength.
func (i *Interner) String(s string) string {
	t := i.table.Load()
	if t == nil {
		t = i.start()
	}
	if len(s) > t.maxLength {
		return s
	}
	hash := maphash.String(t.seed, s)
	set := &t.sets[hash&t.mask]
	for way := range set {
		if e := set[way].Load(); e != nil && e.hash == hash && e.text == s {
			if !e.used.Load() {
				e.used.Store(true)
			}
			return e.text
		}
	}
	// A copy, so that a short part does not pin the long text that it is of.
	return t.add(set, hash, strings.Clone(s))
}

// add keeps text if there is room for it, and returns it, or the same text that
// somebody else has added meanwhile.
func (t *internTable) add(set *internSet, hash uint64, text string) string {
	t.misses.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	place, free := -1, false
	for way := range set {
		e := set[way].Load()
		switch {
		case e == nil:
			if !free {
				place, free = way, true
			}
		case e.hash == hash && e.text == text:
			return e.text
		case !e.used.Load() && place < 0:
			place = way
		}
	}
	if place < 0 {
		// All are in use: they stay, but must be asked for again.
		for way := range set {
			set[way].Load().used.Store(false)
		}
		return text
	}
	t.evict(&set[place])
	if !t.makeRoom(int64(len(text))) {
		return text
	}
	t.bytes += int64(len(text))
	t.entries++
	set[place].Store(&interned{text: text, hash: hash})
	return text
}

// evict empties a place. The lock is held.
func (t *internTable) evict(place *atomic.Pointer[interned]) {
	if old := place.Swap(nil); old != nil {
		t.bytes -= int64(len(old.text))
		t.entries--
		t.evictions.Add(1)
	}
}

// sweep is how many sets makeRoom looks at: enough to find some bytes in a full
// table, few enough for a request to wait for.
const sweep = 16

// makeRoom evicts strings that were not asked for again, from the next sets in
// turn, until n more bytes are allowed. The lock is held.
func (t *internTable) makeRoom(n int64) bool {
	for range sweep {
		if t.bytes+n <= t.maxBytes {
			return true
		}
		set := &t.sets[t.hand]
		t.hand = (t.hand + 1) & t.mask
		for way := range set {
			if e := set[way].Load(); e != nil && !e.used.Swap(false) {
				t.evict(&set[way])
			}
		}
	}
	return t.bytes+n <= t.maxBytes
}

// InternStats tell what an [Interner] holds.
type InternStats struct {
	Entries   int64
	Bytes     int64
	Misses    uint64 // strings that were allocated, not counting those above MaxLength
	Evictions uint64
}

// Stats returns the figures. Hits are not counted: that would cost more than
// finding them.
func (i *Interner) Stats() InternStats {
	t := i.table.Load()
	if t == nil {
		return InternStats{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return InternStats{Entries: t.entries, Bytes: t.bytes, Misses: t.misses.Load(), Evictions: t.evictions.Load()}
}
