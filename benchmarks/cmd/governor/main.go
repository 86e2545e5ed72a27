// Command governor measures what arena.TuneGC does for the blog server: closed
// loops of 64 clients, with and without it in turn, and with all blocks in the memory
// that the server takes without any; and once more while the server's live heap grows
// to 80 % of the budget.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

const budgetMiB = 256

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	rounds := flag.Int("rounds", 5, "measurements of each")
	each := flag.Duration("duration", 10*time.Second, "time of each")
	least := flag.Int64("min-requests", load.MinRequests, "requests that a run must answer to be a result")
	err := flags.Parse(flag.CommandLine, os.Args[1:], "rounds", "duration")
	if err == nil {
		err = run(ctx, *rounds, *each, *least)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "governor:", err)
		stop()
		os.Exit(1)
	}
}

// variants are the servers that are compared.
var variants = []struct {
	name string
	args []string
}{
	{"GOGC=100", nil},
	{"governor", []string{fmt.Sprintf("-gc-budget=%d", budgetMiB)}},
	{"same memory", []string{"-boosted", "-same-memory"}},
}

func run(ctx context.Context, rounds int, each time.Duration, least int64) (err error) {
	testbed, err := load.OpenTestbed(ctx, "blog")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, testbed.Close()) }()
	results := make([][]*load.Result, len(variants))
	for round := range rounds {
		for _, i := range load.Order(len(variants), round) {
			result, err := measure(ctx, testbed, variants[i].name, each, least, false, variants[i].args...)
			if err != nil {
				return err
			}
			results[i] = append(results[i], result)
		}
	}
	plain, governed, same := results[0], results[1], results[2]
	growing, err := measure(ctx, testbed, "growing", 2*each, least, true, variants[1].args...)
	if err != nil {
		return err
	}
	load.WriteTable(os.Stdout, append(slices.Concat(plain, governed, same), growing))
	fmt.Printf("median requests/s: governor / GOGC=100 = %.2f; P95 %.2f; peak memory %.0f MiB of %d; while the live "+
		"heap grows to 80 %%: %.0f MiB\n",
		median(governed, throughput)/median(plain, throughput), median(governed, p95)/median(plain, p95),
		highest(governed), budgetMiB, highest([]*load.Result{growing}))
	fmt.Printf("all blocks with SameMemory: median requests/s %.2f of GOGC=100's, median peak memory %.2f (%.0f and "+
		"%.0f MiB)\n",
		median(same, throughput)/median(plain, throughput), median(same, memory)/median(plain, memory), median(same, memory),
		median(plain, memory))
	return nil
}

func measure(
	ctx context.Context, testbed *load.Testbed, name string, each time.Duration, least int64, grow bool, args ...string,
) (result *load.Result, err error) {
	server, err := testbed.Launch(ctx, "blog", name, append(slices.Clone(args), "-scale=1")...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	failed := make(chan error, 1)
	if grow {
		go func() { failed <- fatten(server.DebugURL, each) }()
	} else {
		failed <- nil
	}
	result, err = load.Measure(ctx, server.Target, load.Config{
		Mix: load.BlogMix(), Clients: 64, Warmup: 2 * time.Second, Duration: each, MinRequests: least,
	}, os.Stderr)
	if err == nil && result.Errors > 0 {
		err = fmt.Errorf("%s: %d requests failed: %v", name, result.Errors, result.ErrorKinds)
	}
	if err != nil {
		return nil, err
	}
	result.Preset = "closed"
	return result, <-failed
}

// fatten lets the server's ballast grow in steps, to what makes its live heap
// 80 % of the budget: the server itself has some 15 MiB alive.
func fatten(debugURL string, over time.Duration) error {
	const steps, end = 16, budgetMiB*8/10 - 15
	for i := 1; i <= steps; i++ {
		time.Sleep(over / (steps + 4))
		response, err := http.Post(fmt.Sprintf("%s/retain?mib=%d", debugURL, end*i/steps), "", nil)
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
	}
	return nil
}

func throughput(r *load.Result) float64 { return r.Throughput }
func p95(r *load.Result) float64        { return r.Latency.P95 }

// memory is the peak in MiB.
func memory(r *load.Result) float64 { return float64(r.Resources.ServerMemory) / (1 << 20) }

func median(results []*load.Result, of func(*load.Result) float64) float64 {
	values := make([]float64, len(results))
	for i, r := range results {
		values[i] = of(r)
	}
	slices.Sort(values)
	n := len(values)
	return (values[n/2] + values[(n-1)/2]) / 2
}

func highest(results []*load.Result) (mib float64) {
	for _, r := range results {
		mib = max(mib, memory(r))
	}
	return mib
}
