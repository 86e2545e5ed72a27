package bus

import (
	"context"
	"fmt"
	"time"
)

// Options configures a [Link]. Zero fields have defaults.
type Options struct {
	// Beat is how often a link says that it is there, 1 s by default. All links of a fleet
	// should have the same.
	Beat time.Duration
	// Silence is how long no beat of a peer may be heard, 5 s by default. It must be longer than
	// Beat, and should be by some times.
	Silence time.Duration
	// Forget is how long a silent peer is waited for, 1 minute by default. After it, the
	// peer counts as ended.
	Forget time.Duration
	// BlindFor is how long caches serve what they have while the link is blind, 1 minute
	// by default. Then they lose all, again and again until it is not. [Forever] leaves
	// that to the time to live of what is cached.
	BlindFor time.Duration
	// Regions are the other regions from which messages must come, by the names that the
	// bridges have for them. A region from which something has come is expected also if
	// it is not named here, until the link is closed.
	Regions []string
	// TrustSilence has a peer of the same region that falls silent count as ended at
	// once, so that a crash costs nobody's caches anything. It is right where a transport
	// fails for all or reports it: one Redis, one Postgres, one NATS server. It is wrong
	// for clusters, whose nodes may lose each other.
	TrustSilence bool
	// Before is called with keys before they are published, and again until it returns
	// nil: it takes them out of what the caches share, such as the Remove of a
	// redisstore.Store. Its time is bounded as that of Publish, by Silence. For a key with an
	// asterisk it may need more, to SCAN very many keys: then nothing is published any more, and
	// Silence must be longer. Such keys are also published before the call. While Before runs no beat is
	// sent: if it takes longer than Silence without two Beats, peers are blind until it has ended. It is not called
	// for a key that a program without a link publishes alone, such as a migration: that program must
	// first remove it from what the caches share. Before must not call Delete, which waits for it.
	Before func(ctx context.Context, keys []string) error
	// OnError is called with errors that no caller gets, one call at a time, on a goroutine of its
	// own. It may call the link. If calls block, further errors are only counted.
	OnError func(error)
}

// Forever as BlindFor leaves what is cached to its time to live.
const Forever time.Duration = -1

const (
	defaultBeat     = time.Second
	defaultSilence  = 5 * time.Second
	defaultForget   = time.Minute
	defaultBlindFor = time.Minute
	leastBeat       = time.Millisecond // the unit of ages in messages
	mostTime        = 24 * 365 * time.Hour
)

// check returns an error for what cannot work, and sets defaults.
func (o *Options) check() error {
	for _, d := range []struct {
		field *time.Duration
		name  string
		value time.Duration
	}{
		{&o.Beat, "Beat", defaultBeat}, {&o.Silence, "Silence", defaultSilence}, {&o.Forget, "Forget", defaultForget},
	} {
		if *d.field < 0 || *d.field > mostTime {
			return fmt.Errorf("bus: %s is %v: it must not be negative, nor above %v", d.name, *d.field, mostTime)
		}
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.BlindFor == 0 {
		o.BlindFor = defaultBlindFor
	}
	switch {
	case o.Beat < leastBeat:
		return fmt.Errorf("bus: Beat is %v: it must be at least %v", o.Beat, leastBeat)
	case o.BlindFor < 0 && o.BlindFor != Forever:
		return fmt.Errorf("bus: BlindFor is %v: it must be positive or Forever", o.BlindFor)
	case o.Silence <= o.Beat:
		return fmt.Errorf("bus: Silence is %v: it must be longer than Beat, %v", o.Silence, o.Beat)
	case o.Forget < o.Silence:
		return fmt.Errorf("bus: Forget is %v: it must not be shorter than Silence, %v", o.Forget, o.Silence)
	case len(o.Regions) > maxRegions:
		return fmt.Errorf("bus: %d regions: there must be no more than %d", len(o.Regions), maxRegions)
	}
	return checkRegions(o.Regions...)
}

// checkRegions returns an error for the first name that is not valid.
func checkRegions(names ...string) error {
	for _, name := range names {
		if !validRegion(name) {
			return fmt.Errorf("bus: region %q: a name is of letters, digits and hyphens, up to %d", name, maxRegion)
		}
	}
	return nil
}
