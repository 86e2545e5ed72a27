package plancache

import (
	"cmp"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"sync"
)

// tally counts the uses of what keeps no counts itself: one in tallied of them, and of as many
// keys as there is room for. What is used most comes early, so it finds room. collect empties it.
type tally struct {
	seed   maphash.Seed
	maxKey int
	shards [16]tallyShard
}

type tallyShard struct {
	mu    sync.Mutex
	uses  map[string]uint32
	bytes int      // of the keys
	_     [40]byte // Shards of different processors share no cache line.
}

const (
	tallied    = 8
	shardUses  = 512
	shardBytes = 1 << 20
)

func newTally(maxKey int) *tally {
	t := &tally{seed: maphash.MakeSeed(), maxKey: maxKey}
	for i := range t.shards {
		t.shards[i].uses = map[string]uint32{}
	}
	return t
}

// use counts a use. A nil tally counts none.
func (t *tally) use(key string) {
	if t == nil || rand.Uint32()%tallied != 0 || len(key) > t.maxKey {
		return
	}
	s := &t.shards[maphash.String(t.seed, key)%uint64(len(t.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.uses[key]
	if !ok {
		if len(s.uses) >= shardUses || s.bytes+len(key) > shardBytes {
			return
		}
		s.bytes += len(key)
	}
	s.uses[key] = n + tallied
}

// collect returns up to n keys, those that were used most first, and empties the tally.
func (t *tally) collect(n int) (list []Use) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		uses := s.uses
		s.uses, s.bytes = make(map[string]uint32, len(uses)), 0
		s.mu.Unlock()
		for key, n := range uses {
			list = append(list, Use{key, float64(n)})
		}
	}
	return mostUsed(list, n)
}

// mostUsed returns up to n of a list, those that are used most first.
func mostUsed(list []Use, n int) []Use {
	slices.SortFunc(list, func(a, b Use) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Member, b.Member))
	})
	return list[:min(len(list), n)]
}
