package plancache

// ghosts know the heat of entries that have left, by hash: a mistake costs a place, not a
// wrong plan. If two have one place, the later one is remembered.
type ghosts struct{ places []ghost }

// ghost is what is known of an entry that has left. Two of them share a cache line.
type ghost struct {
	hash uint64
	used int64 // when it was used last, as far as it is known
	was  [terms]float32
	duel [questions]uint16 // see duels; 0: none
}

const (
	// ghostShare is how many there are for each entry of the cache.
	ghostShare = 8
	mostGhosts = 1 << 20
)

func newGhost[P any](e *entry[P]) ghost {
	return ghost{
		hash: e.hash, used: e.heated, was: [terms]float32{float32(e.heat[brief]), float32(e.heat[lasting])}, duel: e.left,
	}
}

// heat is that of the entry when it was used last.
func (g *ghost) heat() heat { return heat{float64(g.was[brief]), float64(g.was[lasting])} }

// put remembers an entry that leaves a cache of so many.
func (l *ghosts) put(g ghost, size int64) {
	if want := min(ghostShare*size, mostGhosts); int64(len(l.places)) < want {
		l.grow(want)
	}
	l.places[l.place(g.hash)] = g
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
	if at.hash != hash || at.was[lasting] == 0 {
		return g, false
	}
	g, *at = *at, ghost{}
	return g, true
}
