package plancache

import (
	"strings"
	"sync"
)

// uploads are plans on their way to the second level. A plan may be evicted here before it has
// arrived, so the cache cannot say whether it was invalidated meanwhile.
type uploads struct {
	mu  sync.Mutex
	all map[*upload]struct{}
}

type upload struct {
	address     string
	invalidated bool
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

// end notes that a plan has arrived, or will not, and reports whether it was invalidated meanwhile.
func (u *uploads) end(one *upload) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all, one)
	return one.invalidated
}

// invalidate notes that a key of an [Invalidator] is deleted.
func (u *uploads) invalidate(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for one := range u.all {
		if covers(key, one.address) {
			one.invalidated = true
		}
	}
}

// covers reports whether a key of an [Invalidator] is an address, or a prefix of it with an asterisk.
func covers(key, address string) bool {
	prefix, all := strings.CutSuffix(key, "*")
	return key == address || all && strings.HasPrefix(address, prefix)
}
