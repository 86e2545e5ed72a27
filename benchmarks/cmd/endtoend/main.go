// Command endtoend compares what the library gains end to end in two versions of it, and fails
// if the second gains less: it runs the baseline and the compiled server of both, in turns,
// each version with a Postgres of its own, and compares the ratios of compiled to baseline.
//
//	go run ./cmd/endtoend -base origin/main
//
// A version gains less if its median is smaller by more than the limit, with a p-value
// below 0.001 and with the intervals of the medians apart. What may be worse is
// measured again, twice as often, before it is complained of. Rounds in which other processes
// or machines used the CPU do not count: when too few are left, only allocations are judged.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var g gate
	flag.StringVar(&g.base, "base", "origin/main", "git revision to compare with")
	flag.IntVar(&g.rounds, "rounds", 8, "runs of each server")
	flag.DurationVar(&g.each, "duration", 1500*time.Millisecond, "measured time of each run")
	flag.Float64Var(&g.limit, "limit", 1.1, "how many times as much the base may gain")
	flag.Float64Var(&g.scale, "scale", 0.2, "size of the data; 1 is 10k users")
	err := flags.Parse(flag.CommandLine, os.Args[1:], "rounds", "duration", "scale")
	if err == nil {
		err = g.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "endtoend:", err)
	}
	stop()
	switch {
	case errors.Is(err, errWorse):
		os.Exit(1)
	case err != nil:
		os.Exit(2)
	}
}

var errWorse = errors.New("the library gains less than before")

type gate struct {
	base         string
	rounds       int
	each         time.Duration
	limit, scale float64
}

func (g *gate) run(ctx context.Context) (err error) {
	if g.rounds < fewest {
		return fmt.Errorf("fewer than %d rounds cannot be certain of anything", fewest)
	}
	if g.limit < 1 {
		return fmt.Errorf("-limit is %v: with less than 1, the same gain would be worse", g.limit)
	}
	root, err := load.SourceRoot()
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "gqlboost-endtoend-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	tree := filepath.Join(scratch, "base")
	if err := git(ctx, root, "worktree", "add", "--detach", "--quiet", tree, g.base); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, git(context.WithoutCancel(ctx), root, "worktree", "remove", "--force", tree))
	}()
	var targets []load.Target
	for _, version := range []struct{ name, root string }{{"before", tree}, {"after", root}} {
		var own []load.Target
		var stop func() error
		if own, stop, err = g.launch(ctx, version.name, version.root); err != nil {
			return fmt.Errorf("%s: %w", version.name, err)
		}
		defer func() { err = errors.Join(err, stop()) }()
		targets = append(targets, own...)
	}
	return decide(g.rounds, g.limit, os.Stdout, func(rounds int) ([][]*load.Result, error) {
		c, err := load.Compare(ctx, "closed", targets, load.Config{Mix: load.BlogMix(), Clients: 64, Duration: g.each,
			Warmup: g.each / 4, MinRequests: 1}, rounds, io.Discard)
		if err != nil {
			return nil, err
		}
		return c.Rounds, nil
	})
}

// launch starts both servers of a version, with a Postgres that is theirs alone: the schema may
// have changed.
func (g *gate) launch(ctx context.Context, name, root string) (targets []load.Target, stop func() error, err error) {
	testbed, err := load.OpenTestbed(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop = testbed.Close
	if err := testbed.BuildAs(ctx, "blog", root, "examples", "blog"); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	for _, c := range []struct {
		name string
		args []string
	}{{"baseline", nil}, {"compiled", []string{"-boosted", "-compiled", "-same-memory"}}} {
		args := append([]string{fmt.Sprintf("-scale=%v", g.scale)}, c.args...)
		s, err := testbed.Launch(ctx, "blog", c.name+", "+name, args...)
		if err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		others := stop
		stop = func() error { return errors.Join(s.Stop(), others()) }
		targets = append(targets, s.Target)
	}
	return targets, stop, nil
}

// decide measures, and once more, twice as often, what may be worse.
func decide(
	rounds int, limit float64, out io.Writer, measure func(rounds int) ([][]*load.Result, error),
) error {
	var list []verdict
	for _, n := range []int{rounds, 2 * rounds} {
		all, err := measure(n)
		if err != nil {
			return err
		}
		calm := quiet(all)
		if len(calm) < fewest {
			list = judge(all, limit)
			fmt.Fprintf(out, "no verdict but for allocations: something else used the machine in %d of %d rounds\n%s",
				len(all)-len(calm), len(all), table(list))
			list = always(list)
		} else {
			if err := answered(calm); err != nil {
				return err
			}
			list = judge(calm, limit)
			fmt.Fprintf(out, "%d rounds, %d of them on a quiet machine:\n%s", len(all), len(calm), table(list))
		}
		if !anySuspect(list) {
			return nil
		}
	}
	if anyWorse(list) {
		return errWorse
	}
	fmt.Fprintln(out, "What is marked may be worse, or chance: more -rounds, or a quiet machine, would tell.")
	return nil
}

// answered returns an error if a server has answered wrongly: then there is nothing to compare.
// On a busy machine it may just have been late.
func answered(rounds [][]*load.Result) error {
	for _, round := range rounds {
		for _, r := range round {
			if r.Errors > 0 {
				return fmt.Errorf("%s: %d of %d requests failed: %v", r.Server, r.Errors, r.Errors+r.Requests, r.ErrorKinds)
			}
		}
	}
	return nil
}

func git(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %v: %w\n%s", args, err, out)
	}
	return nil
}
