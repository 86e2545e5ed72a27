package plancache

import (
	"sync"
	"time"
)

// notifier calls OnEvict and OnError, one call at a time and in order, on a goroutine that
// ends when there is nothing more to tell. So they may call the cache, whose locks nobody
// holds meanwhile, and a call that blocks keeps only those behind it waiting.
type notifier struct {
	tasks    *tasks
	limit    int64         // of the weight of what waits
	patience time.Duration // how long the cause of a note waits for its call

	mu      sync.Mutex
	queue   []note
	weight  int64
	running bool
	lost    uint64 // notes beyond the limit
}

// note is a call to make.
type note struct {
	weight int64 // bytes that it keeps in memory
	call   func()
}

const (
	// notePatience is that of a cache. So calls that take no time have been made when Add,
	// Delete and so on return.
	notePatience = 50 * time.Millisecond
	// noteWeight is the bytes of a note itself.
	noteWeight = 100
)

// send has notes called. It waits for the calls if no others are on their way: inside of
// such a call it would wait for itself.
func (n *notifier) send(notes []note) {
	n.mu.Lock()
	if n.weight > n.limit { // A call blocks. What leaves the cache must not stay in memory.
		n.lost += uint64(len(notes))
		n.mu.Unlock()
		return
	}
	n.queue = append(n.queue, notes...)
	for _, one := range notes {
		n.weight += one.weight + noteWeight
	}
	if n.running || len(n.queue) == 0 {
		n.mu.Unlock()
		return
	}
	n.running = true
	n.mu.Unlock()
	done := make(chan struct{})
	n.tasks.finish(func() { n.deliver(len(notes), done) })
	timer := time.NewTimer(n.patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// deliver makes all calls, and closes done after the first ones.
func (n *notifier) deliver(first int, done chan struct{}) {
	for more := true; more; first-- {
		one := n.next()
		ended := false
		func() {
			defer func() {
				more = n.more()
				if first == 1 {
					close(done)
				}
				if !ended && more { // The call ends this goroutine.
					n.tasks.finish(func() { n.deliver(first-1, done) })
				}
			}()
			one.call()
			ended = true
		}()
	}
}

func (n *notifier) next() note {
	n.mu.Lock()
	defer n.mu.Unlock()
	one := n.queue[0]
	n.queue[0] = note{}
	n.queue = n.queue[1:]
	n.weight -= one.weight + noteWeight
	return one
}

// more reports whether there are further calls to make.
func (n *notifier) more() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running = len(n.queue) > 0
	return n.running
}

// report has OnError called, unless it is nil. Its own panic cannot be reported to anyone else, so panicked is called
// with that.
func (n *notifier) report(onError func(error), err error, panicked func(error)) {
	if onError != nil {
		n.send([]note{{0, func() { guard(panicked, "OnError", func() (_ struct{}) { onError(err); return }) }}})
	}
}

func (n *notifier) dropped() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost
}

// departure is an entry that has left, and why.
type departure[P any] struct {
	entry *entry[P]
	cause Cause
}

// tell counts entries that have left, and has OnEvict called.
func (c *Cache[P]) tell(left []departure[P]) {
	var notes []note
	for _, d := range left {
		if d.entry.err != nil {
			continue
		}
		c.counts.left[d.cause].Add(1)
		if c.options.OnEvict != nil {
			notes = append(notes, note{d.entry.weight, func() {
				guard(c.report, "OnEvict", func() (_ struct{}) { c.options.OnEvict(d.entry.key, d.entry.plan, d.cause); return })
			}})
		}
	}
	if len(notes) > 0 {
		c.notes.send(notes)
	}
}

// report counts an error that no caller gets, and has OnError called.
func (c *Cache[P]) report(err error) {
	c.counts.errors.Add(1)
	c.notes.report(c.options.OnError, err, func(error) { c.counts.errors.Add(1) })
}
