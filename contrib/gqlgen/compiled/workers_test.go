package compiled

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestEachBlocks sees that calls which wait for each other all run.
func TestEachBlocks(t *testing.T) {
	var p workers
	for _, n := range []int{0, 1, 2, 3, 100} {
		var met sync.WaitGroup
		met.Add(n)
		p.each(n, 0, func(int) { met.Done(); met.Wait() })
	}
}

// TestEachOnce sees that each call is made once, and no more at a time than the limit.
func TestEachOnce(t *testing.T) {
	var p workers
	for _, limit := range []int64{0, 1, 2, 5} {
		var made [200]atomic.Int64
		var running, most atomic.Int64
		p.each(len(made), limit, func(i int) {
			now := running.Add(1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			runtime.Gosched()
			made[i].Add(1)
			running.Add(-1)
		})
		for i := range made {
			if n := made[i].Load(); n != 1 {
				t.Errorf("limit %d: call %d was made %d times", limit, i, n)
			}
		}
		if limit > 0 && most.Load() > limit {
			t.Errorf("limit %d: %d at a time", limit, most.Load())
		}
	}
}

// TestEachGoexit sees that the other calls are waited for when one ends its goroutine.
func TestEachGoexit(t *testing.T) {
	var p workers
	var made atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.each(50, 0, func(i int) {
			if made.Add(1); i > 0 && i%10 == 0 {
				runtime.Goexit()
			}
		})
	}()
	<-done
	for made.Load() < 50 {
		runtime.Gosched()
	}
}

// TestWorkersEnd sees that goroutines are kept during operations, and no longer.
func TestWorkersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // It fails if one is left.
		var p workers
		p.begin()
		p.begin()
		for range 3 {
			p.each(10, 0, func(int) { time.Sleep(time.Millisecond) })
			synctest.Wait()
			p.mu.Lock()
			if n := len(p.idle); n != 9 {
				t.Errorf("%d goroutines are kept, want the 9 of each round", n)
			}
			p.mu.Unlock()
		}
		p.end()
		p.each(10, 0, func(int) { time.Sleep(time.Millisecond) })
		p.end()
	})
}

// TestEachPanics sees that the caller has the panic of a call, whichever goroutine made it, when
// the other calls have returned.
func TestEachPanics(t *testing.T) {
	for at := range 5 {
		var p workers
		var made atomic.Int64
		panicked := func() (r any) {
			defer func() { r = recover() }()
			p.each(5, 0, func(i int) {
				if i == at {
					panic("on purpose")
				}
				time.Sleep(time.Millisecond) // so that other goroutines take the next calls
				made.Add(1)
			})
			return nil
		}()
		if panicked != "on purpose" || made.Load() != 4 {
			t.Errorf("call %d: %v, %d others have returned", at, panicked, made.Load())
		}
	}
}
