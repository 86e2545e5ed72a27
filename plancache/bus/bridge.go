package bus

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// Side is one of the two regions of a [Bridge].
type Side struct {
	// Name is the region's: letters, digits and hyphens, up to 32. All bridges must have the
	// same name for a region.
	Name      string
	Transport Transport
	// Options are those of the bridge's own link in the region. Before takes keys out of
	// what the region's caches share, when they come from the other region; it is
	// called with "*" when the bridge may have missed some.
	Options Options
}

// Bridge carries messages between the transports of two regions. One is enough; more of
// them, in processes that do not fail together, do no harm. A key that somebody publishes alone,
// as a migration does, goes over one bridge and no further. Make it with [NewBridge]. It is safe for concurrent use.
type Bridge struct{ sides [2]*end }

// end is the bridge's end in a region.
type end struct {
	name  string
	link  *Link
	other atomic.Pointer[end]
	fills bool // it has a Before
}

// NewBridge returns a bridge, which the caller must close.
func NewBridge(a, b Side) (*Bridge, error) {
	if err := checkRegions(a.Name, b.Name); err != nil {
		return nil, err
	}
	if a.Name == b.Name {
		return nil, fmt.Errorf("bus: both sides of the bridge are region %q", a.Name)
	}
	br := &Bridge{}
	for i, side := range []Side{a, b} {
		e := &end{name: side.Name, fills: side.Options.Before != nil}
		link, err := newLink(side.Transport, side.Options, relay{e.forward, e.ignores, e.missed, true})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("bus: region %s: %w", side.Name, err), br.Close())
		}
		e.link = link
		br.sides[i] = e
	}
	for i, e := range br.sides {
		e.other.Store(br.sides[1-i])
		e.missed() // Nobody knows what the other region has said before.
	}
	return br, nil
}

// ignores reports whether a message comes from the other side.
func (e *end) ignores(m *message) bool {
	other := e.other.Load()
	return other != nil && slices.Contains(m.path, other.name)
}

// forward takes a message to the other side.
func (e *end) forward(m *message) {
	other := e.other.Load()
	switch {
	case m.local:
	case other == nil: // The peers there will notice the gap.
	case m.origin == "":
		_, _ = other.link.out.add(m.keys...) // It is closed.
	case len(m.path) >= maxPath:
	default:
		next := *m
		next.path = append(slices.Clip(m.path), e.name)
		if !other.link.out.pass(&next) {
			_, _ = other.link.out.add(everything)
		}
	}
}

// missed is called when what was said on this side may not have come. The peers on the other
// side notice that themselves, what they share does not.
func (e *end) missed() {
	if other := e.other.Load(); other != nil && other.fills {
		_, _ = other.link.out.add(everything)
	}
}

// Health returns what the bridge knows of its links in both regions, by the regions' names.
func (b *Bridge) Health() map[string]Health {
	all := map[string]Health{}
	for _, e := range b.sides {
		all[e.name] = e.link.Health()
	}
	return all
}

// Metrics implements [gqlboost.Source]. They are those of a link, with the region.
func (b *Bridge) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(func() (list []gqlboost.Metric) {
		for _, e := range b.sides {
			for m := range e.link.Metrics() {
				m.Attrs = append(m.Attrs, gqlboost.Attr{Key: "region", Value: e.name})
				list = append(list, m)
			}
		}
		return list
	})
}

// Close ends the bridge as the Close of a link does. It does not close the transports.
func (b *Bridge) Close() error {
	var errs []error
	for _, e := range b.sides {
		if e != nil {
			errs = append(errs, e.link.Close())
		}
	}
	return errors.Join(errs...)
}
