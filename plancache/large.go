package plancache

import (
	"slices"
	"sync"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// large keeps values up to a number of bytes. What is new goes into an exact front, from
// which it is found at once; what leaves the front goes to ristretto, which may refuse it,
// and which takes a moment. So does at once what is larger than the front. ristretto is good
// at much that is hardly ever asked for again, and that is not missed for long if it is lost.
type large[V any] struct {
	main *ristretto.Cache[string, item[V]]

	mu     sync.RWMutex
	front  map[string]item[V]
	queue  []string // keys of the front, the oldest first
	bytes  int64    // of the front
	limit  int64    // of the front
	closed bool
}

// item is a value with its key, because ristretto compares hashes only.
type item[V any] struct {
	key   string
	value V
	size  int64
	ends  time.Time // zero: never
	none  bool      // there is no value any more
}

const (
	frontShare = 16      // the front has one 16th of the bytes
	typical    = 1 << 10 // bytes of a value, by which ristretto's counters are sized
)

func newLarge[V any](bytes int64) (*large[V], error) {
	front := max(bytes/frontShare, 1)
	main, err := ristretto.NewCache(&ristretto.Config[string, item[V]]{
		NumCounters: max(10*bytes/typical, 1000), MaxCost: max(bytes-front, 1), BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, err
	}
	return &large[V]{main: main, front: map[string]item[V]{}, limit: front}, nil
}

func (l *large[V]) get(key string) (v V, ok bool) {
	one, ok := l.find(key)
	if !ok || one.none || one.key != key || !one.ends.IsZero() && !time.Now().Before(one.ends) {
		return v, false
	}
	return one.value, true
}

// find looks in both parts. It holds the lock all the time: ristretto's Get may panic beside its Close.
func (l *large[V]) find(key string) (one item[V], ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if one, ok = l.front[key]; !ok && !l.closed {
		one, ok = l.main.Get(key)
	}
	return one, ok
}

// put takes a value in; ttl 0 is forever.
func (l *large[V]) put(key string, v V, size int64, ttl time.Duration) {
	one := item[V]{key: key, value: v, size: size + int64(len(key)) + 64}
	if ttl > 0 {
		one.ends = time.Now().Add(ttl)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	old, again := l.front[key]
	if one.size > l.limit {
		l.putLarge(one, again)
		return
	}
	if again {
		l.bytes -= old.size
	} else {
		l.queue = append(l.queue, key)
		l.main.Del(key) // It must not come back when this one has left the front.
	}
	l.front[key] = one
	l.bytes += one.size
	for l.bytes > l.limit {
		if l.queue[0] == key { // What is new stays, also where an old value of it was the oldest.
			l.queue = append(l.queue[1:], key)
			continue
		}
		l.pass(l.cut(0))
	}
}

// putLarge puts a value that is larger than the front behind it.
func (l *large[V]) putLarge(one item[V], again bool) {
	if again {
		l.cut(slices.Index(l.queue, one.key))
	}
	l.main.Del(one.key)
	if one.size <= l.main.MaxCost() {
		l.pass(one)
		l.main.Wait() // What has just been made should be found.
	}
}

// cut takes the value at a place of the queue out of the front.
func (l *large[V]) cut(place int) item[V] {
	key := l.queue[place]
	one := l.front[key]
	delete(l.front, key)
	if place == 0 {
		l.queue = l.queue[1:]
	} else {
		l.queue = slices.Delete(l.queue, place, place+1)
	}
	l.bytes -= one.size
	return one
}

// pass gives a value to ristretto.
func (l *large[V]) pass(one item[V]) {
	if one.none {
		return
	}
	if one.ends.IsZero() {
		l.main.Set(one.key, one, one.size)
	} else if ttl := time.Until(one.ends); ttl > 0 {
		l.main.SetWithTTL(one.key, one, one.size, ttl)
	}
}

// remove takes a value out. It is gone when remove returns.
func (l *large[V]) remove(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one, ok := l.front[key]; ok { // Its place in the queue stays.
		l.front[key] = item[V]{key: key, size: one.size, none: true}
	}
	if !l.closed {
		l.main.Del(key)
		l.main.Wait() // A value that has just left the front comes in before it is deleted.
	}
}

// close takes all values out. What is put in later is dropped.
func (l *large[V]) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.front, l.queue, l.bytes = true, nil, nil, 0
	l.main.Close()
}
