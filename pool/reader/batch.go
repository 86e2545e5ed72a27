package reader

// batch is what was sent with one write: a run for each statement in it.
type batch struct {
	runs []run
	sent int64 // on the reader's clock
}

// run is executions of one statement with the same settings. It is one transaction, which
// a Sync ends, so that statements of strangers hold no locks together, fail apart, and see
// nothing of each other's settings.
type run struct {
	requests  []*request
	next      int         // the request whose result comes
	guarded   bool        // the first result is that of its guard
	parses    []*prepared // what it prepares, in order; nil for what does not stay
	rehearsal *rehearsal  // what comes behind it; nil: nothing
}

// replayed returns what the server must have replayed for all of the run; 0: anything.
func (r *run) replayed() (lsn uint64) {
	for _, q := range r.requests {
		lsn = max(lsn, q.replayed)
	}
	return lsn
}

// group divides requests into runs, in the order in which their statements came.
func group(requests []*request, sent int64) *batch {
	b := &batch{sent: sent}
	first := make([]*request, 0, 8) // of each run
	places := make([]int, len(requests))
	var sizes []int
	for i, q := range requests {
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
	b.runs = make([]run, len(first))
	all := make([]*request, len(requests))
	for i, size := range sizes {
		b.runs[i].requests = all[:0:size]
		all = all[size:]
	}
	for i, q := range requests {
		r := &b.runs[places[i]]
		r.requests = append(r.requests, q)
	}
	return b
}
