// Command soak runs a server under a steady load for long, and reports whether its latency,
// its memory, its goroutines or its connections drift. It can be stopped at any time:
// the next run with the same file goes on.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := flag.String("server", "blog", "example server: blog or direct")
	args := flag.String("args", "-boosted", "its arguments")
	scale := flag.Float64("scale", 1, "size of the data")
	rate := flag.Float64("rate", 800, "requests per second")
	window := flag.Duration("window", time.Minute, "length of a window")
	total := flag.Duration("duration", 30*time.Minute, "length of the run, with what the file has")
	file := flag.String("file", "../out/soak.jsonl", "file of windows, a line each")
	flag.Parse()
	if err := run(ctx, *server, *args, *scale, *rate, *window, *total, *file); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		stop()
		os.Exit(1)
	}
}

var errDrift = errors.New("the server drifts")

func run(
	ctx context.Context, server, args string, scale, rate float64, window, total time.Duration, file string,
) (err error) {
	testbed, err := load.OpenTestbed(ctx, server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, testbed.Close()) }()
	s, err := testbed.Launch(ctx, server, server, append(strings.Fields(args), fmt.Sprintf("-scale=%v", scale))...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	config := load.Config{Mix: load.BlogMix(), Phases: []load.Phase{{Rate: rate, Duration: time.Hour}},
		Arrivals: load.Poisson, Warmup: 5 * time.Second}
	windows, err := load.Soak(ctx, s.Target, config, window, total, file, os.Stderr)
	if len(windows) > 0 {
		load.WriteDrifts(os.Stdout, windows)
	}
	if err != nil {
		return err
	}
	for _, d := range load.Drifts(windows) {
		if d.Drifts {
			err = errDrift
		}
	}
	return err
}
