package simdjson

import (
	"iter"
	"sync"
	"sync/atomic"

	"github.com/gqlboost/gqlboost"
	"github.com/gqlboost/gqlboost/internal/metric"
)

// counters are the package's own, for Source.
var counters counterSet

type counterSet struct {
	shards     [16]shard
	next       atomic.Uint32
	errors     [len(kernelNames)]atomic.Uint64
	fallbacks  atomic.Uint64
	verified   atomic.Uint64
	mismatches atomic.Uint64
	unknown    atomic.Uint64
}

// shard counts the documents of some of the pool's memories, which stay with one
// processor most of the time: counting must not make cores wait for each other.
type shard struct {
	recent [len(kernelNames)]atomic.Uint64 // documents and bytes in one word: one addition for both
	_      [64]byte
	mu     sync.Mutex
	total  [len(kernelNames)]tally
}

type tally struct{ documents, bytes uint64 }

// In a word of recent, documents have the low bits. It is emptied long before
// one of them overflows: the largest document has 30 bits.
const (
	documentBits = 20
	documentMask = 1<<documentBits - 1
	drainAt      = 1 << (documentBits - 1)
	drainBytesAt = 1 << 42
)

func (c *counterSet) shard() *shard { return &c.shards[c.next.Add(1)%uint32(len(c.shards))] }

func (c *counterSet) failed(k kernel) { c.errors[k].Add(1) }

func (s *shard) parsed(k kernel, bytes int) {
	now := s.recent[k].Add(uint64(bytes)<<documentBits | 1)
	if now&documentMask >= drainAt || now>>documentBits >= drainBytesAt {
		s.drain(k)
	}
}

func (s *shard) drain(k kernel) tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	recent := s.recent[k].Swap(0)
	s.total[k].documents += recent & documentMask
	s.total[k].bytes += recent >> documentBits
	return s.total[k]
}

// Source returns what the package does in this process.
func Source() gqlboost.Source { return packageSource{} }

type packageSource struct{}

// Metrics implements [gqlboost.Source].
func (packageSource) Metrics() iter.Seq[gqlboost.Metric] {
	return metric.Sequence(counters.snapshot)
}

func (c *counterSet) snapshot() (list []gqlboost.Metric) {
	add := func(name, unit, help string, value uint64, attrs ...gqlboost.Attr) {
		list = append(list, gqlboost.Metric{Name: "gqlboost.simdjson." + name, Unit: unit, Help: help, Kind: gqlboost.Counter,
			Value: float64(value), Attrs: attrs})
	}
	kernels := kernels() // The others have nothing to count.
	var totals [len(kernelNames)]tally
	for _, k := range kernels {
		for i := range c.shards {
			t := c.shards[i].drain(k)
			totals[k].documents += t.documents
			totals[k].bytes += t.bytes
		}
	}
	by := func(k kernel) gqlboost.Attr { return gqlboost.Attr{Key: "kernel", Value: k.String()} }
	for _, k := range kernels {
		add("documents", "{document}", "Documents that were parsed.", totals[k].documents, by(k))
	}
	for _, k := range kernels {
		add("size", "By", "Bytes of the documents that were parsed.", totals[k].bytes, by(k))
	}
	for _, k := range kernels {
		add("errors", "{document}", "Documents that were refused.", c.errors[k].Load(), by(k))
	}
	add("fallbacks", "{document}", "Documents that a fast kernel refused and the portable one accepted: a defect.",
		c.fallbacks.Load())
	add("verified", "{document}", "Documents that went through two kernels.", c.verified.Load())
	add("mismatches", "{document}", "Documents on which two kernels disagreed: a defect.", c.mismatches.Load())
	add("unknown_kernels", "{kernel}", "Names in Options.Kernel and GQLBOOST_SIMD that are no kernel.",
		c.unknown.Load())
	return list
}
