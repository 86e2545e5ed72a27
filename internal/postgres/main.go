package postgres

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Main runs the tests of a package, a *testing.M, with a server of their own, which
// it passes to use first, and that has loaded libraries, see [Options]. It returns the
// code to exit with.
func Main(m interface{ Run() int }, use func(*Server), preload ...string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	server, err := Start(ctx, Options{Settings: Volatile(), Preload: preload})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	use(server)
	return m.Run()
}
