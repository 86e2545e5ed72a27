package plancache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// sharing tells a fleet what an instance uses, in the background. What could not be told is
// not told again: to count it twice would be worse.
type sharing struct {
	uses  Uses
	level level
	// collect returns what was used since it was called last, those that are used most first,
	// and of which version of the schema, by its name, if it depends on one.
	collect func() (uses []Use, version string, versioned bool)

	told atomic.Uint64

	mu     sync.Mutex
	warmed Warmed
}

func newSharing(u Uses, failed func(error), collect func() ([]Use, string, bool)) *sharing {
	s := &sharing{uses: u, collect: collect}
	s.level.timeout = u.Timeout
	s.level.failed = func(err error) { failed(fmt.Errorf("plancache: uses of the fleet: %w", err)) }
	return s
}

// start tells in the background until the context ends.
func (s *sharing) start(ctx context.Context, tasks *tasks) error {
	running := tasks.start(func() {
		for sleep(ctx, s.uses.Every*3/4+rand.N(s.uses.Every/2+1)) {
			s.tell(ctx)
		}
	})
	if !running {
		return ErrClosed
	}
	return nil
}

// Uses are told in pieces, so that no call is large.
const (
	pieceUses  = 200
	pieceBytes = 256 << 10
	// tellBytes bounds what is told at a time.
	tellBytes = 4 << 20
)

// tell tells what was used since it was called last.
func (s *sharing) tell(ctx context.Context) {
	uses, version, versioned := s.collect()
	group := s.uses.group()
	if versioned {
		group = s.uses.groupOf(version)
	}
	total, told := 0.0, 0
	for len(uses) > 0 && told < tellBytes {
		n, bytes := 0, 0
		for n < min(len(uses), pieceUses) && (n == 0 || bytes+len(uses[n].Member) <= pieceBytes) {
			bytes += len(uses[n].Member)
			total += uses[n].Count
			n++
		}
		if s.count(ctx, group, uses[:n]) != nil {
			return
		}
		s.told.Add(uint64(n))
		told += bytes
		uses = uses[n:]
	}
	if versioned && total > 0 {
		_ = s.count(ctx, s.uses.versions(), []Use{{version, total}}) // It has been reported.
	}
}

func (s *sharing) count(ctx context.Context, group string, uses []Use) error {
	_, err := ask(ctx, &s.level, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.uses.Ranking.Count(ctx, group, uses, s.uses.keep())
	})
	return err
}

// top returns the members of a group that are used most, and no more than was asked for.
func (s *sharing) top(ctx context.Context, group string, n, bytes int) ([]Use, error) {
	list, err := ask(ctx, &s.level, func(ctx context.Context) ([]Use, error) {
		return s.uses.Ranking.Top(ctx, group, n, bytes)
	})
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return list[:min(len(list), n)], err
}

func (s *sharing) stats() FleetStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return FleetStats{Told: s.told.Load(), Errors: s.level.errors.Load(), Warmed: s.warmed}
}

// note adds what a call of WarmShared has done to the counts.
func (s *sharing) note(w Warmed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warmed.add(w)
}
