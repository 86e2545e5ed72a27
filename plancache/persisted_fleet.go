package plancache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// PersistedOptions configures a [Persisted]. Zero fields have defaults.
type PersistedOptions struct {
	// Bytes bounds the texts, 16 MiB by default. One that is larger than a 16th of it is kept
	// only if it is asked for more than those in whose place it comes.
	Bytes int64
	// Invalidator carries deletions between the stores of a fleet. It may be that of plans
	// and results.
	Invalidator Invalidator
	// StoreTimeout bounds a call of Invalidator, 50 ms by default, also of one that ignores
	// its context.
	StoreTimeout time.Duration
	// OnError is called with the errors of Invalidator that no caller gets, one call at a
	// time, on a goroutine of its own. If calls block, further errors are dropped.
	OnError func(error)
}

// ErrTrusted is returned by what a list of trusted documents cannot do.
var ErrTrusted = errors.New("plancache: a list of trusted documents does not change")

// textPrefix is the prefix of the keys of texts in an [Invalidator].
const textPrefix = "text:"

// Delete takes the text of a hash out, here and in all stores that share the Invalidator. A
// client that sends it with its text registers it again: to forbid an operation, use
// [NewTrusted]. It returns the errors of the Invalidator; here the text is gone in any case.
func (p *Persisted) Delete(ctx context.Context, hash string) error {
	hash = strings.ToLower(hash)
	switch {
	case ctx == nil:
		return missing(ctx, false)
	case p.trusted != nil:
		return ErrTrusted
	case !isHash(hash):
		return fmt.Errorf("plancache: %q is not the hash of a text", hash)
	}
	p.texts.remove(hash)
	if p.fleet == nil {
		return nil
	}
	return p.fleet.level.delete(ctx, textPrefix+hash)
}

func isHash(s string) bool { return len(s) == len(HashQuery("")) && isHex(s) }

// Purge takes all texts out here. It does nothing for a list of trusted documents.
func (p *Persisted) Purge() { p.purges.Add(1) }

// receive takes in what another store has deleted.
func (p *Persisted) receive(key string) {
	prefix, all := strings.CutSuffix(key, "*")
	switch {
	case all && (strings.HasPrefix(textPrefix, prefix) || strings.HasPrefix(prefix, textPrefix)):
		p.Purge()
	case strings.HasPrefix(key, textPrefix):
		p.texts.remove(key[len(textPrefix):])
	default:
		return
	}
	p.fleet.level.invalidations.Add(1)
}

// textFleet is the connection of a store with those of other instances.
type textFleet struct {
	level level
	notes notifier
}

// joinFleet listens to what other stores delete.
func (p *Persisted) joinFleet(o PersistedOptions) {
	if o.StoreTimeout == 0 {
		o.StoreTimeout = defaultStoreTimeout
	}
	f := &textFleet{}
	p.fleet = f
	f.notes.tasks, f.notes.limit = &p.tasks, resultNotes*noteWeight
	report := func(err error) { f.notes.report(o.OnError, err, func(error) {}) }
	f.level.carrier, f.level.timeout, f.level.failed = o.Invalidator, o.StoreTimeout, report
	l := &listener{level: &f.level, what: "deletions of texts", take: p.receive, purge: p.Purge}
	l.start(p.ctx, &p.tasks)
}
