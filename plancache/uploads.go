package plancache

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// uploads are plans on their way to the second level, and those that have just arrived. A plan may be evicted here
// before it has arrived, so the cache cannot say whether it was invalidated meanwhile.
//
// A deletion removes a plan first, and then tells. A plan that arrives in between stays there, so it is remembered
// until word of that deletion cannot come any more, and is removed if word comes. Others are told of this removal as of
// any deletion, also those that have a new plan by then. So nothing is uploaded for a deleted key in that time:
// otherwise each cache would remove what the others have just uploaded, without end.
type uploads struct {
	settling time.Duration // how long word of a deletion may take, from when the plan is removed

	mu      sync.Mutex
	all     map[*upload]struct{} // on their way
	arrived []event              // addresses, when their plans have arrived: lately
	deleted []event              // keys of an Invalidator, when they were deleted: lately
}

type upload struct {
	address     string
	invalidated bool
}

// event is that something has happened to a key.
type event struct {
	key string
	at  time.Time
}

// settling is how long word of a deletion may take: a bound that is far above what it takes.
const settling = time.Second

// lately returns the events, which are in order, of which word may still come.
func (u *uploads) lately(all []event) []event {
	for len(all) > 0 && time.Since(all[0].at) >= u.settling {
		all = all[1:]
	}
	return all
}

// begin notes that a plan is on its way.
func (u *uploads) begin(address string) *upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all == nil {
		u.all = map[*upload]struct{}{}
	}
	one := &upload{address: address}
	u.all[one] = struct{}{}
	return one
}

// settle waits until word of earlier deletions of a plan's key cannot come any more, and up to as long again: a prefix
// covers many plans, which caches must not all upload at the same moment. It reports whether the plan is to go: the
// context has not ended, and it was not invalidated meanwhile.
func (u *uploads) settle(ctx context.Context, one *upload) bool {
	if pause := u.unsettled(one.address); pause > 0 && !sleep(ctx, pause+rand.N(u.settling)) {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return !one.invalidated
}

// unsettled returns for how long word of a deletion of an address may still come.
func (u *uploads) unsettled(address string) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.deleted = u.lately(u.deleted)
	for _, e := range slices.Backward(u.deleted) {
		if covers(e.key, address) {
			return u.settling - time.Since(e.at)
		}
	}
	return 0
}

// end notes that a plan does not arrive, or need not be remembered.
func (u *uploads) end(one *upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all, one)
}

// arrive notes that a plan has arrived, and reports whether it was invalidated meanwhile.
func (u *uploads) arrive(one *upload) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all, one)
	if !one.invalidated {
		u.arrived = append(u.lately(u.arrived), event{one.address, time.Now()})
	}
	return one.invalidated
}

// purge notes that nothing that is on its way is to stay. Nobody else is told, so nobody's word will come.
func (u *uploads) purge() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mark("*")
}

// invalidate notes that a key of an [Invalidator] is deleted.
func (u *uploads) invalidate(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mark(key)
	u.deleted = append(u.lately(u.deleted), event{key, time.Now()})
}

// mark marks what is on its way and covered by a key. The caller has the lock.
func (u *uploads) mark(key string) {
	for one := range u.all {
		if covers(key, one.address) {
			one.invalidated = true
		}
	}
}

// arrivals returns the addresses that a key of an [Invalidator] covers of what has arrived lately, and forgets them.
func (u *uploads) arrivals(key string) (covered []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.arrived = slices.DeleteFunc(u.lately(u.arrived), func(e event) bool {
		if !covers(key, e.key) {
			return false
		}
		covered = append(covered, e.key)
		return true
	})
	return covered
}

// covers reports whether a key of an [Invalidator] is an address, or a prefix of it with an asterisk.
func covers(key, address string) bool {
	prefix, all := strings.CutSuffix(key, "*")
	return key == address || all && strings.HasPrefix(address, prefix)
}
