package reader

import (
	"context"
	"time"
)

const (
	// stuckAfter is how long nothing may come back until a connection is given up.
	stuckAfter = 5 * time.Second
	// lookEvery is how often a connection is looked at that has something to do, and
	// lookIdle one that has had nothing to do for a second.
	lookEvery = 5 * time.Millisecond
	lookIdle  = 100 * time.Millisecond
	// cancelTimeout bounds a request to cancel.
	cancelTimeout = time.Second
	// StarvedAfter is the time after which callers that wait for a connection may be waiting for
	// each other. They then get a shared one that nobody uses. After starvedLong they get all but one.
	StarvedAfter = 300 * time.Millisecond
	starvedLong  = 10 * time.Second
)

// watch looks at a connection until it fails or has served its time, which it reports. A
// statement that keeps others waiting, for a lock or a disk for example, is canceled and runs
// on a connection of its own; if that does not help, those behind it are.
func (s *session) watch(failed <-chan struct{}) (retired bool) {
	p, b := s.pipe, s.pipe.backend
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last, idle := p.reader.now(), false
	var canceling, released int64 // the value of moved when that was done last
	for {
		select {
		case <-failed:
			return false
		case <-tick.C:
		}
		now := p.reader.now()
		// Where this comes late, so does everything: the machine is busy.
		late := !idle && now-last > 3*int64(lookEvery)
		last = now
		moved := p.moved.Load()
		if must, may := s.mustEnd(now), s.mayEnd(now, moved); (must || may) && s.retire(must) {
			return true
		}
		if p.load.Load() == 0 {
			if !idle && now-moved > int64(time.Second) {
				idle = true
				tick.Reset(lookIdle)
			}
			continue
		}
		if idle {
			idle = false
			tick.Reset(lookEvery)
			continue
		}
		stood, patience := now-moved, int64(b.patience())
		bound := int64(max(stuckAfter, 2*p.reader.config.StatementTimeout))
		switch {
		case stood > bound:
			s.cancel()
			return false // The connection is closed.
		case stood > 2*patience && released != moved:
			released = moved
			s.release()
		case stood > patience && canceling != moved && !late:
			canceling = moved
			if head := s.head.Load(); head != nil {
				head.slowed(time.Duration(stood))
			}
			s.cancel()
		}
	}
}

// mustEnd reports whether a connection has served its time.
func (s *session) mustEnd(now int64) bool {
	p := s.pipe
	return now > s.ends || s.epoch != p.backend.epoch.Load() || p.number >= p.backend.server.Shared() ||
		p.number > 0 && p.backend.server.Starving() > starvedLong
}

// mayEnd reports whether nobody has used a connection for long, or for now, while others starve.
func (s *session) mayEnd(now, moved int64) bool {
	if s.pipe.load.Load() > 0 {
		return false
	}
	server, unused := s.pipe.backend.server, now-moved
	idle := server.Config().MaxConnIdleTime
	if idle <= 0 { // pgxpool closes what is idle with its next health check.
		idle = server.Config().HealthCheckPeriod
	}
	return unused > int64(idle) || unused > int64(StarvedAfter) && server.Starving() > StarvedAfter
}

// retire has the connection take nothing new, and reports whether nothing is on the way
// any more. If it need not end, it does so only when that is the case.
func (s *session) retire(must bool) bool {
	p := s.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	empty := p.load.Load() == 0
	p.leaving.Store(must || empty)
	return empty
}

// cancel asks Postgres to stop what it is at.
func (s *session) cancel() {
	s.canceled.Store(s.pipe.reader.now())
	s.pipe.reader.counters.canceled.Add(1)
	ctx, stop := context.WithTimeout(context.Background(), cancelTimeout)
	defer stop()
	_ = s.conn.PgConn().CancelRequest(ctx) // It may be that nobody is there.
}

// cancels reports whether Postgres was asked to cancel lately.
func (s *session) cancels() bool {
	at := s.canceled.Load()
	return at > 0 && s.pipe.reader.now()-at < int64(2*cancelTimeout)
}

// release lets all who wait go on elsewhere. What has ended in their batches may be a request of another
// session by now.
func (s *session) release() {
	s.mu.Lock()
	for _, b := range s.batches {
		for i := range b.runs {
			for _, q := range b.runs[i].requests {
				if q.session.Load() == s {
					release(q)
				}
			}
		}
	}
	s.mu.Unlock()
	p := s.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.queue {
		release(q)
	}
}
