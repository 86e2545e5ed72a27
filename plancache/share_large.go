package plancache

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// talliedSharing is a sharing of what keeps no counts of uses itself. A nil one counts none.
type talliedSharing struct {
	*sharing
	tally *tally
}

func (s *talliedSharing) use(key string) {
	if s != nil {
		s.tally.use(key)
	}
}

// inner returns nil for nil.
func (s *talliedSharing) inner() *sharing {
	if s == nil {
		return nil
	}
	return s.sharing
}

// newTalliedSharing returns a sharing of uses, whose members are what member returns for keys
// that were used.
func newTalliedSharing(u Uses, failed func(error), member func(key string) (string, bool)) *talliedSharing {
	t := newTally(u.MaxKey)
	return &talliedSharing{tally: t, sharing: newSharing(u, failed, func() (list []Use, _ string, _ bool) {
		for _, use := range t.collect(u.Most) {
			if text, ok := member(use.Member); ok && len(text) <= u.MaxKey {
				list = append(list, Use{text, use.Count})
			}
		}
		return list, "", false
	})}
}

// Share begins to tell a fleet how often results are used, in the background until Close, and
// lets [Results.WarmShared] learn from it. Calling it again is an error.
//
// What goes to the ranking are the keys, as they are: with variables, and whatever Extra has, such
// as users. It does not keep results. One use in eight is counted.
func (r *Results) Share(u Uses) error {
	if err := u.check("results"); err != nil {
		return err
	}
	s := newTalliedSharing(u, r.report, func(key string) (string, bool) { return key, true })
	if !r.sharing.CompareAndSwap(nil, s) {
		return errShared
	}
	return s.start(r.ctx, &r.tasks)
}

// WarmShared makes the results that the fleet uses most, as [Cache.WarmShared] does for plans.
// Fill is called as Load calls it, and must only read. It must check the key as what a client has
// sent: it may be for a version of the schema that this instance does not have, and who can write
// to the ranking chooses it, with Extra.
func (r *Results) WarmShared(
	ctx context.Context, o WarmOptions,
	fill func(ctx context.Context, key ResultKey) (data []byte, tags []string, err error),
) (Warmed, error) {
	s := r.sharing.Load()
	switch {
	case ctx == nil || fill == nil:
		return Warmed{}, missing(ctx, fill == nil)
	case r.ctx.Err() != nil:
		return Warmed{}, ErrClosed
	case s == nil:
		return Warmed{}, ErrNotShared
	}
	if err := o.check(&s.uses); err != nil {
		return Warmed{}, err
	}
	parse := func(member string) (key ResultKey, ok bool) {
		var variables string
		ok = split(member, &key.Query, &key.Operation, &variables, &key.Extra, &key.Schema)
		key.Variables = []byte(variables)
		return key, ok && key.Query != ""
	}
	return warm(ctx, s.sharing, o, s.only, parse, func(ctx context.Context, key ResultKey) (outcome, error) {
		if v, ok := r.values.get(key.text()); ok && r.tags.good(v) {
			return present, nil
		}
		var own atomic.Bool // Fill may go on when the wait has ended.
		_, err := r.Load(ctx, key, func(ctx context.Context) ([]byte, []string, error) {
			own.Store(true)
			return fill(ctx, key)
		})
		switch {
		case err != nil:
			return failed, fmt.Errorf("plancache: result of %.60q: %w", key.Query, err)
		case own.Load():
			return built, nil
		}
		return fetched, nil
	})
}

// only is the one group of what does not depend on the schema.
func (s *talliedSharing) only(context.Context) ([]string, error) {
	return []string{s.uses.group()}, nil
}

// Share begins to tell a fleet how often texts are asked for by their hash, in the background
// until Close, and lets [Persisted.WarmShared] learn from it. Calling it again is an error, and so
// is sharing a list of trusted documents, which has all texts. One use in eight is counted.
func (p *Persisted) Share(u Uses) error {
	if p.trusted != nil {
		return errors.New("plancache: a list of trusted documents is not shared: each instance has all of it")
	}
	if err := u.check("texts"); err != nil {
		return err
	}
	// Nobody is told of errors, but Metrics counts them.
	s := newTalliedSharing(u, func(error) {}, p.find)
	if !p.sharing.CompareAndSwap(nil, s) {
		return errShared
	}
	return s.start(p.ctx, &p.tasks)
}

// WarmShared takes the texts that the fleet asks for most, so that clients need not send them
// again to a new instance. Warmed.Built counts them.
func (p *Persisted) WarmShared(ctx context.Context, o WarmOptions) (Warmed, error) {
	s := p.sharing.Load()
	switch {
	case ctx == nil:
		return Warmed{}, missing(ctx, false)
	case s == nil:
		return Warmed{}, ErrNotShared
	case p.ctx.Err() != nil:
		return Warmed{}, ErrClosed
	}
	if err := o.check(&s.uses); err != nil {
		return Warmed{}, err
	}
	parse := func(member string) (string, bool) { return member, member != "" }
	return warm(ctx, s.sharing, o, s.only, parse, func(ctx context.Context, text string) (outcome, error) {
		hash := HashQuery(text)
		if _, ok := p.find(hash); ok {
			return present, nil
		}
		p.Add(ctx, hash, text)
		return built, nil
	})
}

// Metrics implements [gqlboost.Source]: what Share and WarmShared have done. Without Share there
// is none.
func (p *Persisted) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(func() []gqlboost.Metric {
		return usesMetrics(p.sharing.Load().inner(), "gqlboost.persisted.")
	})
}
