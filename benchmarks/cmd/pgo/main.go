// Command pgo measures what profile-guided optimization does for an example server: it takes the
// server's CPU profile under load, builds the server with it and without, and runs both in
// turns. A third server, which is the one without it once more, says how much of a difference is
// noise. A profile that was taken before is used again, and named with its date and commit; one of
// another server is refused.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var p pgo
	flag.StringVar(&p.server, "server", "blog", "example server: blog or direct")
	args := flag.String("args", "-boosted -compiled -same-memory", "its arguments")
	flag.Float64Var(&p.scale, "scale", 1, "size of the data; 1 is 10k users")
	flag.StringVar(&p.profile, "profile", "",
		"file of the profile: taken if it is not there; without one, a file of the server's in "+folder)
	flag.DurationVar(&p.profiled, "profiled", 20*time.Second, "time that is profiled")
	flag.DurationVar(&p.each, "duration", 4*time.Second, "measured time of each run")
	flag.IntVar(&p.rounds, "rounds", 8, "runs of each build; 0 only takes the profile and builds with it")
	flag.Int64Var(&p.least, "min-requests", load.MinRequests, "requests that a run must answer to be a result")
	flag.StringVar(&p.json, "json", "", "file to write the figures to")
	err := flags.Parse(flag.CommandLine, os.Args[1:], "scale", "duration", "profiled")
	if err == nil {
		p.command = flags.Command(flag.CommandLine, "make pgo", "rounds", "json")
		p.args = strings.Fields(*args)
		err = p.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgo:", err)
		stop()
		os.Exit(1)
	}
}

type pgo struct {
	server           string
	args             []string
	scale            float64
	profile, json    string
	command          string // as a reader has to give it
	profiled, each   time.Duration
	rounds           int
	least            int64
	origin           origin // of the profile
	testbed          *load.Testbed
	root, withoutPGO string // the checkout, and the name of the build without a profile
}

func (p *pgo) run(ctx context.Context) (err error) {
	if p.profile, err = filepath.Abs(cmp.Or(p.profile, profileFile(p.subject()))); err != nil {
		return err
	}
	if p.root, err = load.SourceRoot(); err != nil {
		return err
	}
	if p.testbed, err = load.OpenTestbed(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.testbed.Close()) }()
	p.withoutPGO = p.server
	if err := p.testbed.BuildAs(ctx, p.withoutPGO, p.root, "examples", p.server, "-pgo=off"); err != nil {
		return err
	}
	if err := p.takeProfile(ctx); err != nil {
		return err
	}
	start := time.Now()
	if err := p.testbed.BuildAs(ctx, "with", p.root, "examples", p.server, "-pgo="+p.profile); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "built with the profile in %v\n", time.Since(start).Round(time.Second))
	if p.rounds == 0 {
		return nil
	}
	return p.compare(ctx)
}

// takeProfile takes the profile of the server without one, unless there is the file.
func (p *pgo) takeProfile(ctx context.Context) (err error) {
	if _, err := os.Stat(p.profile); err == nil {
		if p.origin, err = p.known(); err == nil {
			fmt.Fprintf(os.Stderr, "%s was there: %v\n", p.profile, p.origin)
		}
		return err
	}
	s, err := p.launch(ctx, p.withoutPGO, "without")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	r, err := load.CPUProfile(ctx, s.Target, p.profiled, p.profile, os.Stderr)
	if err == nil && r.Errors > 0 {
		err = fmt.Errorf("%d requests failed while the profile was taken: %v", r.Errors, r.ErrorKinds)
	}
	if err == nil {
		err = sign(p.profile, origin{server: p.subject(), code: load.CodeVersion(ctx)})
	}
	if err == nil {
		p.origin, err = readOrigin(p.profile)
	}
	if err != nil { // The next run must not find it.
		return errors.Join(err, os.RemoveAll(p.profile))
	}
	info, err := os.Stat(p.profile)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %d KiB\n", p.profile, info.Size()>>10)
	return nil
}

func (p *pgo) launch(ctx context.Context, build, label string) (*load.Server, error) {
	return p.testbed.Launch(ctx, build, label, append([]string{fmt.Sprintf("-scale=%v", p.scale)}, p.args...)...)
}

func (p *pgo) compare(ctx context.Context) (err error) {
	var started []*load.Server
	defer func() { err = errors.Join(err, load.StopAll(started)) }()
	var targets []load.Target
	for _, c := range []struct{ build, label string }{
		{p.withoutPGO, "without"}, {p.withoutPGO, "without, again"}, {"with", "with the profile"},
	} {
		s, err := p.launch(ctx, c.build, c.label)
		if err != nil {
			return err
		}
		started, targets = append(started, s), append(targets, s.Target)
	}
	config := load.Config{Mix: load.BlogMix(), Clients: 64, Duration: p.each, Warmup: p.each / 4, MinRequests: p.least}
	comparison, err := load.Compare(ctx, "closed", targets, config, p.rounds, os.Stderr)
	if err != nil {
		return err
	}
	report := &load.Report{Date: time.Now().UTC().Truncate(time.Second), Command: p.command,
		Machine: load.ThisMachine(),
		Versions: append(load.Versions(ctx, p.testbed.Postgres.DSN()),
			load.Version{Name: "profile", Version: p.origin.String()}),
		Results: comparison.Median(), Gains: comparison.Gains()}
	load.WriteTable(os.Stdout, report.Results)
	load.WriteGains(os.Stdout, report)
	return errors.Join(load.WriteFile(p.json, func(w io.Writer) error { return load.WriteJSON(w, report) }),
		report.Failed())
}
