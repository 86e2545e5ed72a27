package plancache

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

// listener takes in what others delete.
type listener struct {
	level *level
	what  string           // is deleted, for errors
	take  func(key string) // a key, or a beginning of keys and an asterisk
	purge func()           // keys may have been missed

	ready chan struct{} // closed when the first Watch has begun
	state atomic.Int32  // beginning, begun or late
}

const (
	beginning int32 = iota
	begun           // Watch has begun before start has returned
	late            // it has not: until it has, keys may be missed
)

// start listens in the background until the context ends. It waits for the first Watch to
// begin, but no longer than the timeout.
func (l *listener) start(ctx context.Context, tasks *tasks) {
	l.ready = make(chan struct{})
	tasks.start(func() { l.listen(ctx) })
	timer := time.NewTimer(l.level.timeout)
	defer timer.Stop()
	select {
	case <-l.ready:
	case <-timer.C:
		l.state.CompareAndSwap(beginning, late)
	}
}

// beginPatience is how long a Watch may take to begin. Then another one is tried.
const beginPatience = 30 * time.Second

func (l *listener) listen(ctx context.Context) {
	for pause := breakFirst; ctx.Err() == nil; pause = min(2*pause, breakMost) {
		if l.once(ctx) {
			pause = breakFirst
		}
		sleep(ctx, pause/2+rand.N(pause))
	}
}

// once watches until keys may be missed, and reports whether it has begun to.
func (l *listener) once(all context.Context) bool {
	if l.level.abandoned.Load() >= mostAbandoned {
		return false
	}
	ctx, cancel := context.WithCancel(all)
	defer cancel()
	late := time.AfterFunc(beginPatience, cancel)
	keys, err := within(ctx, &l.level.abandoned, l.level.carrier.Watch)
	if !late.Stop() || err != nil {
		if all.Err() == nil {
			l.level.failed(fmt.Errorf("plancache: watching for %s: %w", l.what, cmp.Or(err, context.DeadlineExceeded)))
		}
		return false
	}
	if l.state.CompareAndSwap(beginning, begun) {
		close(l.ready)
	} else {
		l.purge() // Nobody knows what has been deleted meanwhile.
	}
	l.receive(ctx, keys)
	return true
}

// receive takes keys until there are no more.
func (l *listener) receive(ctx context.Context, keys <-chan string) {
	for {
		select {
		case key, ok := <-keys:
			if !ok {
				return
			}
			l.take(key)
		case <-ctx.Done():
			return
		}
	}
}

// watch listens to the second level.
func (c *Cache[P]) watch() {
	l := &listener{level: c.level, what: "deletions", take: c.invalidate, purge: c.Purge}
	l.start(c.ctx, &c.tasks)
}

// invalidate takes out what has been deleted from the second level.
func (c *Cache[P]) invalidate(key string) {
	c.level.invalidations.Add(1)
	c.everywhere(func(g *epoch[P]) {
		mine := versionKey(g.version)
		prefix, all := strings.CutSuffix(key, "*")
		switch {
		case all && strings.HasPrefix(mine, prefix):
			g.clear(Removed)
		case strings.HasPrefix(key, mine):
			g.dropAddresses(key)
		}
	})
	if before, _, _ := strings.Cut(strings.TrimSuffix(key, "*"), ":"); !isHex(before) {
		return // It is a tag's or a text's, of which there may be very many.
	}
	c.level.uploads.invalidate(key)
	if again := c.level.uploads.arrivals(key); len(again) > 0 {
		c.tasks.start(func() { c.undo(again...) })
	}
}
