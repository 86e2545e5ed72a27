//go:build unix

package lifecycle

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// The first signal drains, the second hurries.
func TestSignals(t *testing.T) {
	l := make1(t, Options{DrainDelay: time.Hour})
	_ = l.Start(t.Context())
	stop := l.OnSignal(syscall.SIGUSR2)
	defer stop()
	self, _ := os.FindProcess(os.Getpid())
	for range 2 {
		if err := self.Signal(syscall.SIGUSR2); err != nil {
			t.Skip("no signals here: ", err)
		}
		<-l.Draining()
	}
	<-l.Done()
	stop()
}
