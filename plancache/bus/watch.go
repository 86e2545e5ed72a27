package bus

import (
	"context"
	"time"
)

// watcher is a cache that wants to know.
type watcher struct {
	keys chan string
	stop func() bool // of what waits for its context to end
}

// watched is how many keys wait for a cache. One that is further behind loses all.
const watched = mostKeys

// Watch returns the keys that are deleted, by anybody, from when it has returned. It waits for
// the transport at first, for up to Silence: then caches lose all each BlindFor, as they do when
// it fails later. The channel is closed when the context or the link ends, and when it is not
// read from.
func (l *Link) Watch(ctx context.Context) (<-chan string, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	timer := time.NewTimer(l.options.Silence)
	defer timer.Stop()
	select {
	case <-l.first:
	case <-timer.C:
	case <-ctx.Done():
		return nil, l.late(ctx, "not subscribed yet")
	case <-l.ctx.Done():
		return nil, ErrClosed
	}
	w := &watcher{keys: make(chan string, watched)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, ErrClosed
	}
	l.watchers[w] = struct{}{}
	w.stop = context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unwatch(w)
	})
	return w.keys, nil
}

// unwatch ends a watcher. It is called with the lock.
func (l *Link) unwatch(w *watcher) {
	if _, ok := l.watchers[w]; ok {
		delete(l.watchers, w)
		w.stop()
		close(w.keys)
	}
}

// tell gives keys to all watchers. It is called with the lock.
func (l *Link) tell(keys ...string) {
	for w := range l.watchers {
		for _, key := range keys {
			select {
			case w.keys <- key:
				continue
			default:
			}
			l.counts.slow.Add(1)
			l.unwatch(w)
			break
		}
	}
}

// dropAll has all caches lose all. It is called with the lock.
func (l *Link) dropAll(now time.Time, why *counter) {
	why.Add(1)
	l.peers.dropped(now)
	l.tell(everything)
	if l.relays.dropped != nil {
		l.relays.dropped()
	}
}
