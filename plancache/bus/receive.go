package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gqlboost/gqlboost/internal/callback"
)

// subscribe is subscribed until the link ends.
func (l *Link) subscribe() {
	for pause := l.options.Beat / 4; l.ctx.Err() == nil; pause = min(2*pause, l.options.Silence) {
		if l.subscribeOnce() {
			pause = l.options.Beat / 4
		}
		sleep(l.ctx, pause/2+rand.N(pause/2+1))
	}
}

// subscribeOnce is subscribed until that fails, and reports whether it was.
func (l *Link) subscribeOnce() bool {
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	l.mu.Lock()
	l.attempt++
	mine := l.attempt
	l.drop = cancel
	l.mu.Unlock()
	begun := time.AfterFunc(2*l.options.Silence, func() { cancel(errSlow) }) // It is asked again.
	defer begun.Stop()
	err := <-callback.Run(l.tasks.Go, func() error {
		return l.transport.Subscribe(ctx,
			func() { begun.Stop(); l.ready(mine) },
			func(data []byte) { l.receive(mine, data) })
	})
	switch cause := context.Cause(ctx); {
	case err == nil:
		err = errors.New("bus: the subscription has ended")
	case cause != nil && l.ctx.Err() == nil:
		err = fmt.Errorf("%w: %w", cause, err)
	}
	l.mu.Lock()
	l.attempt++ // What calls now is late.
	was := l.up
	l.up, l.downErr = false, err
	l.mu.Unlock()
	if l.ctx.Err() == nil {
		l.evaluate(time.Now())
		l.report(fmt.Errorf("bus: subscribing: %w", err))
	}
	return was
}

var (
	errSlow = errors.New("bus: the transport has not subscribed in time")
	errMute = errors.New("bus: what is published does not come back")
)

// ready notes that messages come from now on.
func (l *Link) ready(attempt int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if attempt != l.attempt || l.up {
		return
	}
	now := time.Now()
	if l.ever || len(l.watchers) > 0 { // What was published meanwhile has not come.
		l.dropAll(now, &l.counts.lostLink)
	}
	l.peers.subscribed(now)
	l.unechoed = time.Time{}
	l.up, l.downErr = true, nil
	l.evaluateLocked(now)
	if !l.ever {
		l.ever = true
		close(l.first)
	}
}

// receive takes a message in.
func (l *Link) receive(attempt int, data []byte) {
	m, err := decode(data)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if attempt != l.attempt {
		return
	}
	switch {
	case errors.Is(err, errVersion): // It may be an invalidation.
		l.counts.refusedVersion.Add(1)
		l.dropAll(now, &l.counts.lostVersion)
		return
	case err != nil:
		l.counts.refusedFormat.Add(1)
		return
	}
	l.counts.received.Add(1)
	if l.relays.ignores != nil && l.relays.ignores(&m) {
		return
	}
	if m.origin != "" {
		lost, ok := l.peers.hear(&m, now)
		if !ok {
			l.counts.refusedPeers.Add(1)
		}
		if lost {
			l.dropAll(now, &l.counts.lostGap)
		}
	}
	if m.origin == l.origin {
		l.unechoed = time.Time{}
		select {
		case <-l.heard:
		default:
			close(l.heard)
		}
	} else { // Ours were told of before they were published.
		l.tell(m.keys...)
		if l.relays.message != nil {
			l.relays.message(&m)
		}
	}
	if !l.blind.since.IsZero() { // It may see again. That it does not is found by look.
		l.evaluateLocked(now)
	}
}

// sleep waits, unless the context ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
