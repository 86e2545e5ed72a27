//go:build !unix

package watchdog

// Watchdog does nothing: without a shell and signals there is nobody to clean up.
type Watchdog struct{}

// Start returns a watchdog.
func Start(dir, signal string) (*Watchdog, error) { return &Watchdog{}, nil }

// PID does nothing.
func (*Watchdog) PID(int) {}

// Dismiss does nothing.
func (*Watchdog) Dismiss() error { return nil }
