package bus

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gqlboost/gqlboost/internal/callback"
)

// outbox is what is to be published.
type outbox struct {
	mu      sync.Mutex
	keys    []string // that are in no message yet
	known   map[string]bool
	waiters []chan error // for the keys
	relayed []*relayed   // from other regions
	closing bool

	wake  chan struct{}
	ended chan struct{} // closed when nothing is published any more

	// What follows is of the goroutine that publishes.
	seq  uint64
	last time.Time // when the message of that number was sent
	due  time.Time // when the next beat is
	head []byte    // it is sent until that works
	sent []string  // its keys
}

// relayed is a message of another region.
type relayed struct {
	message
	came      time.Time
	announced bool
}

const (
	// mostKeys bounds the keys that wait while nothing can be published. Beyond it they are
	// all that there is.
	mostKeys = 10_000
	// mostRelayed bounds the messages of other regions that wait.
	mostRelayed = 4096
)

func (o *outbox) init() {
	o.known, o.wake, o.ended = map[string]bool{}, make(chan struct{}, 1), make(chan struct{})
}

func (o *outbox) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// add takes keys in, and returns what says whether they are published.
func (o *outbox) add(keys ...string) (<-chan error, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return nil, ErrClosed
	}
	for _, key := range keys {
		if !o.known[key] && !o.known[everything] {
			o.keys = append(o.keys, key)
			o.known[key] = true
		}
		if len(o.keys) > mostKeys {
			o.keys, o.known = []string{everything}, map[string]bool{everything: true}
		}
	}
	done := make(chan error, 1)
	o.waiters = append(o.waiters, done)
	o.poke()
	return done, nil
}

// pass takes a message of another region in, and reports whether there is room.
func (o *outbox) pass(m *message) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closing:
		return true
	case len(o.relayed) >= mostRelayed:
		o.relayed = nil // The gap will be noticed.
		return false
	}
	o.relayed = append(o.relayed, &relayed{message: *m, came: time.Now()})
	o.poke()
	return true
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closing = true
	o.poke()
}

// size returns how many keys are not published yet, with those of other regions.
func (o *outbox) size() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.keys) + len(o.sent)
	for _, m := range o.relayed {
		n += len(m.keys)
	}
	return n
}

// batch returns as many keys as fit into a message, and the callers that wait for them if these are all.
func (o *outbox) batch() (keys []string, waiters []chan error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	size := headSize
	for _, key := range o.keys {
		if size += 1 + len(key); size > MaxMessage {
			break
		}
		keys = append(keys, key)
		delete(o.known, key)
	}
	if o.keys = o.keys[len(keys):]; len(o.keys) == 0 {
		o.keys = nil
		waiters, o.waiters = o.waiters, nil
	}
	o.sent = keys
	return keys, waiters
}

// outcome notes whether a call has worked. If not, all who wait are told.
func (o *outbox) outcome(err error, waiters []chan error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		waiters, o.waiters = append(waiters, o.waiters...), nil
	}
	for _, one := range waiters {
		one <- err
	}
}

// Delete tells all caches of a key, here at once. The error says that others may not know of
// it: they will when the transport works again, unless the link is closed before.
func (l *Link) Delete(ctx context.Context, key string) error {
	return l.delete(ctx, []string{key})
}

// piece is how many keys are told at a time, so that watchers keep up.
const piece = 256

// DeleteEach is [Link.Delete] for many keys, which share messages.
func (l *Link) DeleteEach(ctx context.Context, keys []string) (err error) {
	for part := range slices.Chunk(keys, piece) {
		if failed := l.delete(ctx, part); err == nil {
			err = failed // Those of the others are alike.
		}
	}
	return err
}

func (l *Link) delete(ctx context.Context, keys []string) error {
	if ctx == nil {
		return errNoContext
	}
	for _, key := range keys {
		if !validKey(key) {
			return fmt.Errorf("bus: key %q: it must be of letters, digits and colons, may end with %s, and must be shorter "+
				"than %d", key, everything, maxKey)
		}
	}
	l.mu.Lock()
	l.tell(keys...)
	l.mu.Unlock()
	done, err := l.out.add(keys...)
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return l.late(ctx, "not published yet")
	}
}

// send publishes until the link ends.
func (l *Link) send() {
	defer close(l.out.ended)
	beat := time.NewTimer(0)
	defer beat.Stop()
	pause := time.Duration(0)
	for {
		select {
		case <-l.ctx.Done():
			l.out.outcome(ErrClosed, nil)
			return
		case <-beat.C:
		case <-l.out.wake:
		}
		last := l.out.over() // Nothing comes in from now on, so the flush takes all.
		err := l.flush()
		beat.Reset(time.Until(l.out.due))
		if err != nil && l.ctx.Err() == nil {
			l.report(err)
		}
		if last {
			if err == nil {
				bye := l.message(kindBye)
				_ = l.publish(kindBye, bye.encode())
			}
			l.out.outcome(ErrClosed, nil)
			return
		}
		if err == nil {
			pause = 0
			continue
		}
		pause = min(max(2*pause, l.options.Beat/8), l.options.Beat)
		sleep(l.ctx, pause/2+rand.N(pause/2+1))
		l.out.poke()
	}
}

// over reports whether the link is being closed.
func (o *outbox) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closing
}

// flush publishes all that waits, and a beat when that is due. What comes from other regions does not wait for keys
// from here that fail, and neither waits for a beat.
func (l *Link) flush() error {
	var keys, beats error // What has failed.
	for more := true; more; {
		relayed, err := l.flushRelayed()
		if err != nil {
			return err
		}
		beats = cmp.Or(l.beat(), beats) // Also where keys come all the time, and between two calls of Before.
		own := false
		if keys == nil {
			own, keys = l.flushKeys()
		}
		more = relayed || own
	}
	return cmp.Or(keys, beats)
}

// flushKeys publishes a message with keys from here, and reports whether there was one.
func (l *Link) flushKeys() (bool, error) {
	var waiters []chan error
	if l.out.head == nil {
		var keys []string
		if keys, waiters = l.out.batch(); len(keys) == 0 {
			l.out.outcome(nil, waiters)
			return false, nil
		}
		l.announce(keys)
		l.out.head = l.next(keys)
	}
	err := l.deliver(kindKeys, l.out.sent, l.out.head)
	if err == nil {
		l.out.last = time.Now()
		l.out.done()
	}
	l.out.outcome(err, waiters)
	return err == nil, err
}

// beat publishes a beat if it is due, and there is no head, which it would say is lost.
func (l *Link) beat() error {
	now := time.Now()
	if now.Before(l.out.due) || l.out.head != nil {
		return nil
	}
	l.out.due = now.Add(l.options.Beat)
	m := l.message(kindBeat)
	return l.publish(kindBeat, m.encode())
}

// done notes that the head has been published.
func (o *outbox) done() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.head, o.sent = nil, nil
}

// flushRelayed publishes a message that comes from another region, and reports whether there was one.
func (l *Link) flushRelayed() (bool, error) {
	m := l.out.relay(l.options.Beat)
	if m == nil {
		return false, nil
	}
	if !m.announced && l.out.head == nil { // Behind a later number nobody would notice that the head is lost.
		m.announced = true
		l.announce(m.keys)
	}
	if err := l.deliver(m.kind, m.keys, m.encode()); err != nil {
		l.out.outcome(err, nil)
		return false, err
	}
	l.out.relayDone(m)
	return true, nil
}

// relay returns the message of another region that is next, or nil. It drops beats that are
// too old: who hears them would believe that nothing has happened since.
func (o *outbox) relay(old time.Duration) *relayed {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.relayed) > 0 {
		if m := o.relayed[0]; m.kind != kindBeat || time.Since(m.came) <= old {
			return m
		}
		o.relayed = o.relayed[1:]
	}
	return nil
}

// relayDone takes out what has been published, unless all have been dropped meanwhile.
func (o *outbox) relayDone(m *relayed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.relayed) > 0 && o.relayed[0] == m {
		o.relayed = o.relayed[1:]
	}
}

// message returns a message of a kind from here.
func (l *Link) message(k kind) message {
	m := message{kind: k, origin: l.origin, seq: l.out.seq, local: l.relays.local}
	if !l.out.last.IsZero() {
		m.age = time.Since(l.out.last)
	}
	return m
}

// next returns the next message with keys from here.
func (l *Link) next(keys []string) []byte {
	m := l.message(kindKeys)
	m.seq++
	m.keys, l.out.seq = keys, m.seq
	return m.encode()
}

// announce publishes keys before Before removes them, if one of them ends with an asterisk: the removal may take a
// while, and what caches are making must not be stored behind it. It is a message of its own, with a number of its own,
// so that peers notice if they lose the one that follows Before.
func (l *Link) announce(keys []string) {
	all := func(key string) bool { return strings.HasSuffix(key, everything) }
	if l.options.Before == nil || !slices.ContainsFunc(keys, all) {
		return
	}
	_ = l.publish(kindKeys, l.next(keys)) // If it fails, peers notice the gap in front of the next message.
	l.out.last = time.Now()
}

// deliver publishes keys, when they are nowhere else any more.
func (l *Link) deliver(k kind, keys []string, data []byte) error {
	if len(keys) > 0 && l.options.Before != nil {
		before := func(ctx context.Context) error { return l.options.Before(ctx, keys) }
		if err := l.limited(l.options.Silence, before); err != nil {
			return fmt.Errorf("bus: before publishing: %w", err)
		}
		// Caches here may have found it again where it has just been removed.
		l.mu.Lock()
		l.tell(keys...)
		l.mu.Unlock()
	}
	return l.publish(k, data)
}

func (l *Link) publish(k kind, data []byte) error {
	limit := l.options.Silence
	if k != kindKeys { // It says that nothing has happened until now.
		limit = l.options.Beat
	}
	if err := l.limited(limit, func(ctx context.Context) error { return l.transport.Publish(ctx, data) }); err != nil {
		return fmt.Errorf("bus: publishing: %w", err)
	}
	l.counts.sent.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unechoed.IsZero() {
		l.unechoed = time.Now()
	}
	return nil
}

// limited calls what is not ours for as long as a limit. What ignores its context is left behind, and
// until it returns the next call fails.
func (l *Link) limited(limit time.Duration, f func(context.Context) error) (err error) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sendErr = err
	}()
	ctx, cancel := context.WithTimeout(l.ctx, limit)
	defer cancel()
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("an earlier call goes on after its context has ended: %w", ctx.Err())
	}
	returned := callback.Run(l.tasks.Go, func() error {
		defer func() { <-l.turn }()
		return f(ctx)
	})
	select {
	case err := <-returned:
		return err
	case <-ctx.Done():
	}
	grace := time.NewTimer(l.options.Beat / 8)
	defer grace.Stop()
	select {
	case err := <-returned: // It says more than the context.
		return err
	case <-grace.C:
		return fmt.Errorf("it goes on after its context has ended: %w", ctx.Err())
	}
}
