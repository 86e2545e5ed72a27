// Command soak runs a server under a steady load for long, and reports whether its latency,
// its memory, its pauses, its goroutines or its connections drift. It can be stopped at any
// time, and stops by itself after a piece: the next run with the same file goes on, with the
// server started again. It fails if requests of this run have failed, or if something drifts.
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

	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := flag.String("server", "blog", "example server: blog or direct")
	args := flag.String("args", "-boosted -compiled -same-memory", "its arguments")
	scale := flag.Float64("scale", 1, "size of the data")
	rate := flag.Float64("rate", 800, "requests per second")
	var plan load.SoakPlan
	flag.DurationVar(&plan.Window, "window", time.Minute, "length of a window")
	flag.DurationVar(&plan.Total, "duration", 8*time.Hour, "length of the run, with what the file has")
	flag.DurationVar(&plan.Piece, "piece", 30*time.Minute, "length of this session at most; no bound if it is 0")
	flag.StringVar(&plan.File, "file", "../out/soak.jsonl", "file of windows, a line each")
	err := flags.Parse(flag.CommandLine, os.Args[1:], "scale", "rate", "window", "duration")
	if err == nil {
		err = run(ctx, *server, *args, *scale, *rate, plan)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		stop()
		os.Exit(1)
	}
}

var errDrift = errors.New("the server drifts")

func run(ctx context.Context, server, args string, scale, rate float64, plan load.SoakPlan) (err error) {
	config := load.Config{Mix: load.BlogMix(), Phases: []load.Phase{{Rate: rate, Duration: time.Hour}},
		Arrivals: load.Poisson, Warmup: 5 * time.Second}
	plan.Server, plan.Code = strings.TrimSpace(server+" "+args), load.CodeVersion(ctx)
	if scale != 1 {
		plan.Server += fmt.Sprintf(" -scale=%v", scale)
	}
	windows, err := plan.Windows(config) // Before there is anything to wait for.
	if err != nil {
		return err
	}
	had := len(windows)
	if time.Duration(had)*plan.Window < plan.Total {
		if windows, err = soak(ctx, server, args, scale, config, plan); len(windows) == 0 {
			return err
		}
	}
	fmt.Println(load.Summarize(windows))
	load.WriteHours(os.Stdout, windows)
	load.WriteDrifts(os.Stdout, windows)
	if err != nil {
		return err
	}
	return verdict(windows, had)
}

// verdict returns an error if requests failed in windows behind those that there were before, or if
// something drifts in all of them.
func verdict(windows []load.Window, had int) error {
	var failed, drifts error
	if s := load.Summarize(windows[had:]); s.Errors > 0 {
		failed = fmt.Errorf("%d of %d requests of this run failed, %d of them while the machine was busy", s.Errors,
			s.Requests+s.Errors, s.ErrorsBusy)
	}
	for _, d := range load.Drifts(windows) {
		if d.Drifts {
			drifts = errDrift
		}
	}
	return errors.Join(failed, drifts)
}

// soak runs a session on a server of its own.
func soak(
	ctx context.Context, server, args string, scale float64, config load.Config, plan load.SoakPlan,
) (windows []load.Window, err error) {
	testbed, err := load.OpenTestbed(ctx, server)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, testbed.Close()) }()
	s, err := testbed.Launch(ctx, server, server, append(strings.Fields(args), fmt.Sprintf("-scale=%v", scale))...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	return load.Soak(ctx, s.Target, config, plan, os.Stderr)
}
