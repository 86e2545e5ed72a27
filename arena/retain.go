package arena

import (
	"runtime/metrics"
	"sync"
)

// What Buffers retains is an estimate from above: the garbage collector does not say
// what it takes out of a sync.Pool. Each pool knows that it was empty when it has
// missed; audit knows it of those that nobody asks any more.

// limits returns the bytes that the pools may hold together, and what each may hold
// without asking: an eighth is set aside for that.
func (p *Buffers) limits() (all, each int64) {
	limit := p.MaxRetained
	if limit == 0 {
		limit = defaultMaxRetained
	}
	reserve := limit / 8
	return limit - reserve, reserve / (2 * classes)
}

// mayKeep reports whether the class may hold one more buffer.
func (c *class) mayKeep(p *Buffers, capacity int) bool {
	all, each := p.limits()
	return (c.held()+1)*int64(capacity) <= each || p.fits(int64(capacity), all)
}

// mayKeep reports whether the pool may hold a buffer of this capacity.
func (g *grownPool) mayKeep(p *Buffers, capacity int64) bool {
	held := g.bytes() + capacity
	if held <= g.allowed.Load() {
		return true
	}
	all, each := p.limits()
	more := held - max(g.allowed.Load(), g.bytes())
	if held > each && !p.fits(more, all) {
		return false
	}
	g.allowed.Store(held)
	return true
}

// fits reports whether the pools may hold that many bytes more.
func (p *Buffers) fits(more, limit int64) bool {
	return p.reserved()+more <= limit || p.audit.run(p) && p.reserved()+more <= limit
}

// reserved is what the pools hold or may hold without asking again.
func (p *Buffers) reserved() (bytes int64) {
	for i := range p.classes {
		c := &p.classes[i]
		bytes += c.held()*int64(classSize(i)) + max(c.grown.bytes(), c.grown.allowed.Load())
	}
	return bytes + p.sharded.Load()
}

// shared is what the shared pools hold.
func (p *Buffers) shared() (bytes int64) {
	for i := range p.classes {
		c := &p.classes[i]
		bytes += c.held()*int64(classSize(i)) + c.grown.bytes()
	}
	return bytes
}

// audit finds pools that were not used for so many collections that they must be
// empty: a sync.Pool keeps what nobody wants for two of them.
type audit struct {
	sync.Mutex
	uses   [2 * classes]int64  // of each pool, when it was last found in use
	cycles [2 * classes]uint64 // and how many collections there had been
}

const emptyAfter = 3 // collections

// run reports whether it has found any.
func (a *audit) run(p *Buffers) (found bool) {
	if !a.TryLock() {
		return false
	}
	defer a.Unlock()
	sample := [1]metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample[:])
	now := sample[0].Value.Uint64()
	unused := func(pool int, uses int64) bool {
		if a.uses[pool] != uses {
			a.uses[pool], a.cycles[pool] = uses, now
		}
		return now-a.cycles[pool] >= emptyAfter
	}
	for i := range p.classes {
		c := &p.classes[i]
		if unused(2*i, c.used()) && c.lose(0) {
			found = true
		}
		g := &c.grown
		if unused(2*i+1, g.used()) && g.allowed.Load() > 0 {
			g.lose(0)
			g.size.Store(0)
			g.allowed.Store(0)
			found = true
		}
	}
	return found
}
