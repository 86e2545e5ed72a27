package plancache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// Share begins to tell a fleet how often plans are used, in the background until Close, and lets
// [Cache.WarmShared] learn from it. Calling it again is an error.
//
// The texts of queries go to the ranking as they are, and are kept by the version of the schema.
// Nobody waits for it: a ranking that fails is left alone for a while, and Options.OnError is
// called.
func (c *Cache[P]) Share(u Uses) error {
	if err := u.check("plans"); err != nil {
		return err
	}
	s := newSharing(u, c.report, func() ([]Use, string, bool) {
		g := c.current.Load()
		return g.toTell(u), versionName(g.version), true
	})
	if !c.sharing.CompareAndSwap(nil, s) {
		return errShared
	}
	return s.start(c.ctx, &c.tasks)
}

var errShared = errors.New("plancache: Share was called before")

// toTell returns how often plans were used since it was called last, those that were used most
// first. It is called by one goroutine at a time.
func (g *epoch[P]) toTell(u Uses) (list []Use) {
	type used struct {
		key  Key
		uses uint32
	}
	var all []used
	g.mu.Lock()
	if !g.retired {
		for _, e := range g.policy.all() {
			uses := e.uses.Load()
			n := uses - e.told
			e.told = uses
			if n > 0 && e.err == nil && e.key.size() <= int64(u.MaxKey) {
				all = append(all, used{e.key, n})
			}
		}
	}
	g.mu.Unlock()
	slices.SortFunc(all, func(a, b used) int {
		return cmp.Or(cmp.Compare(b.uses, a.uses), cmp.Compare(a.key.Query, b.key.Query))
	})
	for _, one := range all[:min(len(all), u.Most)] {
		list = append(list, Use{join(one.key.Query, one.key.Operation, one.key.Extra), float64(one.uses)})
	}
	return list
}

// olderVersions is how many other versions of the schema a new one looks at.
const olderVersions = 3

// WarmShared gets the plans that the fleet uses most, from the second level or by build, in an
// order that is random among those that are used about as much. If the fleet has not used this
// version of the schema enough, it goes on with the texts of those versions that are used most:
// build must refuse what this version does not allow, as it does for clients. With Options.Lease
// instances that start together build each plan once.
//
// It is made for lifecycle.Component.Warm, and never takes longer than its bounds allow. What it
// has done is in Warmed, and the errors of the ranking and of builds are joined, up to eight of
// them: a cold instance serves, too.
func (c *Cache[P]) WarmShared(
	ctx context.Context, o WarmOptions, build func(context.Context, Key) (P, error),
) (Warmed, error) {
	if ctx == nil || build == nil {
		return Warmed{}, missing(ctx, build == nil)
	}
	s := c.sharing.Load()
	switch {
	case c.ctx.Err() != nil:
		return Warmed{}, ErrClosed
	case s == nil:
		return Warmed{}, ErrNotShared
	}
	if err := o.check(&s.uses); err != nil {
		return Warmed{}, err
	}
	o.Most = min(o.Most, c.options.Capacity)
	parse := func(member string) (key Key, ok bool) {
		ok = split(member, &key.Query, &key.Operation, &key.Extra)
		return key, ok && key.Query != ""
	}
	groups := func(ctx context.Context) ([]string, error) { return s.generations(ctx, versionName(c.Schema())) }
	return warm(ctx, s, o, groups, parse,
		func(ctx context.Context, key Key) (outcome, error) { return c.warmOne(ctx, key, build) })
}

// generations returns the groups of a version of the schema and of those that are used most.
func (s *sharing) generations(ctx context.Context, version string) ([]string, error) {
	groups := []string{s.uses.groupOf(version)}
	others, err := s.top(ctx, s.uses.versions(), olderVersions+1, defaultMaxKey)
	for _, u := range others {
		if u.Member != version && isVersionName(u.Member) && len(groups) <= olderVersions {
			groups = append(groups, s.uses.groupOf(u.Member))
		}
	}
	return groups, err
}

// warmOne gets one plan.
func (c *Cache[P]) warmOne(
	ctx context.Context, key Key, build func(context.Context, Key) (P, error),
) (outcome, error) {
	asked := key
	if e := c.lookup(c.current.Load(), &asked); e != nil && e.err == nil {
		return present, nil
	}
	var own atomic.Bool // The build may go on when the wait has ended.
	_, err := c.Load(ctx, key, func(ctx context.Context) (P, error) { own.Store(true); return build(ctx, key) })
	if err != nil {
		return failed, fmt.Errorf("plancache: %.60q: %w", key.Query, err)
	}
	if own.Load() {
		return built, nil
	}
	return fetched, nil
}
