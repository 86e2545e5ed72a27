// Command busy runs another command while it keeps every core busy, as other users of a
// shared machine do:
//
//	busy [-at-most 2h] make test
//
// Tests must pass beside it: what fails then depends on an idle machine. It ends with the
// command, with its exit status, or after the time, when it stops the command.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
)

func main() {
	atMost := flag.Duration("at-most", 2*time.Hour, "time after which the command is stopped")
	loops := flag.Int("loops", runtime.NumCPU(), "loops that compute all the time")
	flag.Parse() // What is left over is the command.
	if err := flags.Check(flag.CommandLine, "at-most", "loops"); err != nil {
		fmt.Fprintln(os.Stderr, "busy:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *atMost)
	defer cancel()
	err := run(ctx, *loops, flag.Args())
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "busy:", err)
		os.Exit(1)
	}
}

// run runs a command beside loops, which have ended when it returns.
func run(ctx context.Context, loops int, command []string) error {
	if len(command) == 0 {
		return errors.New("there is no command to run")
	}
	// The loops must not wait for each other, nor the command's output for them.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(loops + 1))
	spinning, stop := context.WithCancel(ctx)
	var spinners sync.WaitGroup
	defer spinners.Wait()
	defer stop()
	for range loops {
		spinners.Go(func() { spin(spinning) })
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	ownGroup(cmd)
	cmd.WaitDelay = 10 * time.Second
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return nil
}

// spin computes until the context is done.
func spin(ctx context.Context) {
	for n := uint64(1); ctx.Err() == nil; {
		for range 1 << 16 {
			n = n*6364136223846793005 + 1442695040888963407
		}
		runtime.KeepAlive(n)
	}
}
