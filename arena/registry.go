package arena

import "sync/atomic"

// registry remembers addresses that were lent, with a tag. It is bounded, so it may
// forget some: what it knows is true, what it does not know may be true. An address
// that it knows is that of the same object if every object is lent once.
type registry struct{ slots [registrySize]atomic.Uint64 }

const (
	registryBits = 10
	registrySize = 1 << registryBits
	tagBits      = 8 // An address has 56 bits at most.
)

// places returns the two slots where an address may be.
func (r *registry) places(address uintptr) (first, second *atomic.Uint64) {
	hash := uint64(address>>3) * 0x9E37_79B9_7F4A_7C15
	return &r.slots[hash>>(64-registryBits)], &r.slots[hash>>(64-2*registryBits)%registrySize]
}

// add remembers an address. If both of its slots are taken, another one is forgotten.
func (r *registry) add(address uintptr, tag uint8) {
	first, second := r.places(address)
	has := func(slot *atomic.Uint64, what uintptr) bool { return uintptr(slot.Load()>>tagBits) == what }
	// An entry of the same address is of an object that is gone. It is replaced: with an
	// entry in each slot, two calls could claim the new object.
	slot := first
	if !has(first, address) && (has(second, address) || !has(first, 0) && has(second, 0)) {
		slot = second
	}
	slot.Store(uint64(address)<<tagBits | uint64(tag))
}

// claim forgets an address. One of several calls gets its tag.
func (r *registry) claim(address uintptr) (tag uint8, ok bool) {
	first, second := r.places(address)
	for _, slot := range [...]*atomic.Uint64{first, second} {
		if entry := slot.Load(); entry>>tagBits == uint64(address) && entry != 0 && slot.CompareAndSwap(entry, 0) {
			return uint8(entry), true
		}
	}
	return 0, false
}
