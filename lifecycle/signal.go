package lifecycle

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// OnSignal shuts the instance down at the first of the signals, and makes it hurry at the
// second: a person at a terminal does not wait for balancers. Without signals they are
// os.Interrupt and SIGTERM. stop ends the watch, which also ends when the instance is closed;
// a shutdown that has begun goes on. [Lifecycle.Run] with a context of signal.NotifyContext does
// without it.
func (l *Lifecycle) OnSignal(signals ...os.Signal) (stop func()) {
	if len(signals) == 0 {
		signals = []os.Signal{os.Interrupt, syscall.SIGTERM}
	}
	came := make(chan os.Signal, 2)
	signal.Notify(came, signals...)
	stopped := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		defer signal.Stop(came)
		for begin := true; ; begin = false {
			select {
			case <-came:
			case <-stopped:
				return
			case <-l.closed:
				return
			}
			if !begin {
				l.Hurry()
				return
			}
			go func() { _ = l.Shutdown(context.Background()) }() // Run or another call returns its error.
		}
	})
	return sync.OnceFunc(func() { close(stopped); watch.Wait() })
}
