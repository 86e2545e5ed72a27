package arena

import "sync/atomic"

// learner learns what buffers are used for that were asked for with one class.
type learner struct {
	puts     atomic.Int64
	current  atomic.Int64 // the most bytes that a buffer held in this window
	previous atomic.Int64 // and in the last one
	quantile atomic.Int64 // a class in sixteenths, above nine tenths of the uses
}

// window is the number of Puts after which large uses are forgotten, if none comes
// in the next window.
const window = 1 << 14

// sampleOf is how many returned buffers one is taken as a sample of, once the first have been returned.
const (
	sampleOf  = 8
	firstPuts = 256
)

// saw learns from a buffer that came back with n bytes, and reports whether a window
// has ended. From those that are not sampled it learns the maximum.
func (l *learner) saw(n int, sampled bool) (ended bool) {
	if int64(n) > l.current.Load() {
		l.current.Store(int64(n))
	}
	weight := int64(sampleOf)
	if l.puts.Load() <= firstPuts {
		weight = 1
	} else if !sampled {
		return false
	}
	puts := l.puts.Add(weight)
	if ended = puts/window != (puts-weight)/window; ended {
		l.previous.Store(l.current.Swap(int64(n)))
	}
	// Steps of 9 up and 1 down come to rest where one use in ten is above.
	const up, down = 9, 1
	at := l.quantile.Load()
	switch used := int64(classFor(n)) * 16; {
	case used > at:
		l.quantile.Store(min(at+up, used))
	case used < at:
		l.quantile.Store(max(at-down, used))
	}
	return ended
}

// most returns the most bytes that a buffer has lately held.
func (l *learner) most() int { return int(max(l.current.Load(), l.previous.Load())) }

// typical returns a size that is enough for nine in ten.
func (l *learner) typical() int { return classSize(min(int(l.quantile.Load()+15)/16, classes-1)) }

// outgrown reports whether a capacity is far more than was lately needed.
func (l *learner) outgrown(capacity int) bool { return capacity > 4*max(l.most(), 16<<10) }
