package plancache

// ghosts know the scores of entries that have left, by hash: a mistake costs a place, not a
// wrong plan. Of two with one place the later one is remembered.
type ghosts struct{ places []ghost }

// ghost is what is known of an entry that has left.
type ghost struct {
	hash  uint64
	score float64
	left  int64 // when
	duel  int   // see duels; 0: none
}

const (
	// ghostShare is how many there are for each entry of the cache.
	ghostShare = 8
	mostGhosts = 1 << 20
)

// put remembers an entry that leaves a cache of so many.
func (l *ghosts) put(hash uint64, score float64, now int64, duel int, size int64) {
	if want := min(ghostShare*size, mostGhosts); int64(len(l.places)) < want {
		l.grow(want)
	}
	l.places[l.place(hash)] = ghost{hash, score, now, duel}
}

func (l *ghosts) place(hash uint64) uint64 { return hash & uint64(len(l.places)-1) }

func (l *ghosts) grow(want int64) {
	n := 64
	for int64(n) < want {
		n *= 2
	}
	old := l.places
	l.places = make([]ghost, n)
	for _, g := range old {
		l.places[l.place(g.hash)] = g
	}
}

// find returns the ghost of an entry that has come back, which is one no more.
func (l *ghosts) find(hash uint64) (g ghost, ok bool) {
	if len(l.places) == 0 {
		return g, false
	}
	at := &l.places[l.place(hash)]
	if at.hash != hash || at.score == 0 {
		return g, false
	}
	g, *at = *at, ghost{}
	return g, true
}
