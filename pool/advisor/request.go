package advisor

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
)

// Repeat is a statement that requests of one name have run many times each.
type Repeat struct {
	Request  string `json:"request"`
	SQL      string `json:"sql"`
	Caller   string `json:"caller,omitempty"`
	Requests int64  `json:"requests"` // that have repeated it
	Runs     int64  `json:"runs"`     // in them
	Most     int64  `json:"most"`     // in one of them
	// Same is how many of the runs had the parameters of the first: what they return
	// needs not be asked for again.
	Same int64 `json:"same"`
}

type repeatKey struct{ request, sql string }

// request is what was run for one request.
type request struct {
	mu   sync.Mutex
	runs map[*seen]*runs
}

type runs struct {
	count, same int64
	first       uint64 // a hash of the first parameters
	caller      string
}

type requestKey struct{}

// Request begins a request, or whatever is to be looked at as one. Statements that are
// run with the context count towards it until end is called. name is that of the
// operation; there should not be too many.
func (r *Recorder) Request(ctx context.Context, name string) (_ context.Context, end func()) {
	q := &request{runs: map[*seen]*runs{}}
	return context.WithValue(ctx, requestKey{}, q), func() { r.end(name, q) }
}

var seed = maphash.MakeSeed()

// fingerprint tells parameters apart. What it does not know it takes for different ones.
func fingerprint(args []any, n int64) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, a := range args {
		switch a := a.(type) {
		case int, int16, int32, int64, bool, uint32, uint64:
			maphash.WriteComparable(&h, a)
		case string:
			h.WriteString(a)
			h.WriteByte(0)
		case nil:
			h.WriteByte(1)
		case fmt.Stringer:
			h.WriteString(a.String())
		default:
			maphash.WriteComparable(&h, n)
		}
	}
	return h.Sum64()
}

func (q *request) note(ctx context.Context, s *seen, args []any, o RecorderOptions) {
	q.mu.Lock()
	r := q.runs[s]
	if r == nil {
		r = new(runs)
		q.runs[s] = r
	}
	r.count++
	print := fingerprint(args, r.count)
	if r.count == 1 {
		r.first = print
	} else if print == r.first {
		r.same++
	}
	ask := r.count == int64(o.Repeats) && o.Caller != nil
	q.mu.Unlock()
	if ask {
		caller := withoutNumbers(o.Caller(ctx))
		q.mu.Lock()
		r.caller = caller
		q.mu.Unlock()
	}
}

// end takes in what a request has repeated.
func (r *Recorder) end(name string, q *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for s, each := range q.runs {
		if each.count < int64(r.options.Repeats) {
			continue
		}
		r.mu.Lock()
		k := repeatKey{name, s.sql}
		found := r.repeats[k]
		if found == nil && len(r.repeats) < maxStatements {
			found = &Repeat{Request: name, SQL: s.sql}
			r.repeats[k] = found
		}
		if found != nil {
			found.Requests++
			found.Runs += each.count
			found.Same += each.same
			found.Most = max(found.Most, each.count)
			found.Caller = cmp.Or(each.caller, found.Caller)
		}
		r.mu.Unlock()
	}
	clear(q.runs) // end may be called again.
}

// repeated returns a copy, those with the most runs first.
func (r *Recorder) repeated() []Repeat {
	var list []Repeat
	for _, each := range r.repeats {
		list = append(list, *each)
	}
	slices.SortFunc(list, func(a, b Repeat) int {
		return cmp.Or(cmp.Compare(b.Runs, a.Runs), cmp.Compare(a.Request, b.Request), cmp.Compare(a.SQL, b.SQL))
	})
	return list
}
