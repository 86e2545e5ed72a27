package reader

// flight is what was sent with one write: a run for each statement in it.
type flight struct {
	runs []run
	sent int64 // on the reader's clock
}

// run is executions of one statement with the same settings. It is one transaction, which
// a Sync ends, so that statements of strangers hold no locks together, fail apart, and see
// nothing of each other's settings.
type run struct {
	requests []*request
	next     int         // the request whose result comes
	guarded  bool        // the first result is that of its guard
	parses   []*prepared // what it prepares, in order; nil for what does not stay
}

// group divides requests into runs, in the order in which their statements came.
func group(batch []*request, sent int64) *flight {
	f := &flight{sent: sent}
	first := make([]*request, 0, 8) // of each run
	places := make([]int, len(batch))
	var sizes []int
	for i, q := range batch {
		place := -1
		if !q.single {
			for j, other := range first {
				if other.same(q) {
					place = j
					break
				}
			}
		}
		if place < 0 {
			place = len(first)
			first, sizes = append(first, q), append(sizes, 0)
		}
		places[i] = place
		sizes[place]++
	}
	f.runs = make([]run, len(first))
	all := make([]*request, len(batch))
	for i, size := range sizes {
		f.runs[i].requests = all[:0:size]
		all = all[size:]
	}
	for i, q := range batch {
		r := &f.runs[places[i]]
		r.requests = append(r.requests, q)
	}
	return f
}
