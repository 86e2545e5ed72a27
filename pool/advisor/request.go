package advisor

import (
	"cmp"
	"context"
	"hash/maphash"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Repeat is a statement that requests of one name have run many times each.
type Repeat struct {
	Request  string `json:"request"`
	SQL      string `json:"sql"`
	Caller   string `json:"caller,omitempty"`
	Of       int64  `json:"of"`       // requests of that name, in all
	Requests int64  `json:"requests"` // that have repeated it
	Runs     int64  `json:"runs"`     // in them
	Most     int64  `json:"most"`     // in one of them
	// Same is how many of the runs had the parameters of the first: what they return
	// needs not be asked for again.
	Same int64 `json:"same"`
}

type repeatKey struct{ request, sql string }

// request is what was run for one request. Most run a few statements, so a list is found
// through as fast as a map, and lies next to the lock.
type request struct {
	mu   sync.Mutex
	runs []runs
	some [4]runs // the first of them
}

type runs struct {
	of          *seen
	count, same int64
	first       uint64 // a hash of the first parameters
	caller      string
}

// get returns the runs of a statement. It is called with the lock, and the pointer is valid until the
// next call.
func (q *request) get(s *seen) *runs {
	for i := range q.runs {
		if q.runs[i].of == s {
			return &q.runs[i]
		}
	}
	q.runs = append(q.runs, runs{of: s})
	return &q.runs[len(q.runs)-1]
}

type requestKey struct{}

// Request begins a request, or whatever is to be looked at as one. Statements that are
// run with the context count towards it until end is called. name is that of the
// operation; there should not be too many. If a name has more than a thousand requests,
// one of eight is looked at, and counts for them all.
func (r *Recorder) Request(ctx context.Context, name string) (_ context.Context, end func()) {
	weight, n := int64(1), r.of(name)
	if n == nil { // There are too many names.
		return ctx, func() {}
	}
	if n.Load() >= exactly {
		if rand.Uint32()%oneOf > 0 {
			return ctx, func() {}
		}
		weight = oneOf
	}
	n.Add(weight)
	q := new(request)
	q.runs = q.some[:0]
	return context.WithValue(ctx, requestKey{}, q), func() { r.end(name, q, weight) }
}

// of returns how many requests there were of a name, nil if it is a name too many.
func (r *Recorder) of(name string) *atomic.Int64 {
	if n := r.requests.find(name); n != nil {
		return n
	}
	return r.requests.add(name, func(string) *atomic.Int64 { return new(atomic.Int64) })
}

var seed = maphash.MakeSeed()

// fingerprint tells parameters apart. What it does not know it takes for different ones. It
// calls no methods of the program's types: they may panic, block, or hide what they print.
func fingerprint(args []any) uint64 {
	digest := uint64(len(args))
	for _, a := range args {
		var v uint64
		switch a := a.(type) {
		case int:
			v = uint64(a)
		case int64:
			v = uint64(a)
		case int32:
			v = uint64(a)
		case string:
			v = maphash.String(seed, a)
		case nil, bool, int16, uint32, uint64, float64, time.Time:
			v = maphash.Comparable(seed, a)
		default:
			v = hashed(reflect.ValueOf(a))
		}
		digest = (digest ^ v) * 0x9e3779b97f4a7c15 // the golden ratio, as in Fibonacci hashing
	}
	return digest
}

// hashed returns a hash of a value, or of what a pointer points to; a random number for one that
// cannot be compared. Postgres is sent NULL for a nil pointer.
func hashed(v reflect.Value) uint64 {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return maphash.Comparable[any](seed, nil)
		}
		v = v.Elem()
	}
	if !v.Comparable() {
		return rand.Uint64()
	}
	return maphash.Comparable(seed, v.Interface())
}

func (q *request) note(ctx context.Context, s *seen, args []any, o RecorderOptions) {
	digest := fingerprint(args)
	q.mu.Lock()
	r := q.get(s)
	r.count++
	if r.count == 1 {
		r.first = digest
	} else if digest == r.first {
		r.same++
	}
	ask := r.count == int64(o.Repeats) && o.Caller != nil
	q.mu.Unlock()
	if ask {
		caller := o.caller(ctx)
		q.mu.Lock()
		q.get(s).caller = caller
		q.mu.Unlock()
	}
}

// end adds what a request has repeated to what the recorder keeps.
func (r *Recorder) end(name string, q *request, weight int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, each := range q.runs {
		if each.count < int64(r.options.Repeats) {
			continue
		}
		r.mu.Lock()
		k := repeatKey{name, each.of.sql}
		found := r.repeats[k]
		if found == nil && len(r.repeats) < maxStatements {
			found = &Repeat{Request: name, SQL: each.of.sql}
			r.repeats[k] = found
		}
		if found != nil {
			found.Requests += weight
			found.Runs += each.count * weight
			found.Same += each.same * weight
			found.Most = max(found.Most, each.count)
			found.Caller = cmp.Or(each.caller, found.Caller)
		}
		r.mu.Unlock()
	}
	q.runs = nil // end may be called again.
}

// repeated returns a copy, those with the most runs first.
func (r *Recorder) repeated() []Repeat {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Repeat
	for _, each := range r.repeats {
		repeat := *each
		if n := r.of(each.Request); n != nil {
			repeat.Of = n.Load()
		}
		list = append(list, repeat)
	}
	slices.SortFunc(list, func(a, b Repeat) int {
		return cmp.Or(cmp.Compare(b.Runs, a.Runs), cmp.Compare(a.Request, b.Request), cmp.Compare(a.SQL, b.SQL))
	})
	return list
}
