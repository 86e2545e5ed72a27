package plancache

// expiries is a heap (container/heap) of entries by when they expire. A timer waits for
// the first, so that a hit need not ask for the time.
type expiries[P any] []*entry[P]

func (h expiries[P]) Len() int           { return len(h) }
func (h expiries[P]) Less(i, j int) bool { return h[i].expires.Before(h[j].expires) }
func (h expiries[P]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].expiry, h[j].expiry = i, j
}

// Push is for container/heap.
func (h *expiries[P]) Push(x any) {
	e := x.(*entry[P])
	e.expiry = len(*h)
	*h = append(*h, e)
}

// Pop is for container/heap.
func (h *expiries[P]) Pop() any {
	n := len(*h) - 1
	e := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	e.expiry = -1
	return e
}
