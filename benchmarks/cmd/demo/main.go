// Command demo shows what gqlboost does for a GraphQL server: it starts a private
// Postgres, fills it, and runs the blog as a gqlgen server (baseline), with what
// a team can do about it with gqlgen alone (tuned), with the blocks in it (boosted), with
// gqlgen's executor replaced as well (compiled), that with batch resolvers (batched), and
// without a framework (direct) under the same load, in turns. It prints tables and writes a page
// with plots, and fails if requests have failed. -serve leaves the servers up for a look around.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var d demo
	flag.Float64Var(&d.scale, "scale", 1, "size of the data; 1 is 10k users")
	flag.DurationVar(&d.each, "duration", 2*time.Second, "measured time of each run")
	flag.IntVar(&d.rounds, "rounds", 7, "runs of each server under each load; the table has the median")
	flag.Int64Var(&d.least, "min-requests", load.MinRequests, "requests that a run must answer to be a result")
	flag.BoolVar(&d.alone, "alone", true, "run the server with each block alone, too")
	flag.StringVar(&d.html, "html", "out/demo.html", "file to write the page with plots to")
	flag.StringVar(&d.json, "json", "", "file to write the figures to")
	flag.BoolVar(&d.serve, "serve", false, "leave the servers up until Ctrl-C")
	err := flags.Parse(flag.CommandLine, os.Args[1:], "scale", "duration", "rounds")
	if err == nil {
		d.command = flags.Command(flag.CommandLine, "make demo", "rounds", "html", "json", "serve")
		err = d.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

type demo struct {
	scale      float64
	each       time.Duration
	rounds     int
	least      int64
	alone      bool
	html, json string
	serve      bool
	command    string // as a reader has to give it
}

var blocks = []load.Example{
	{Name: "baseline", Server: "blog"},
	{Name: "simdjson", Server: "blog", Args: []string{"-simdjson"}},
	{Name: "plancache", Server: "blog", Args: []string{"-plancache"}},
	{Name: "pool", Server: "blog", Args: []string{"-pool"}},
	{Name: "reader", Server: "blog", Args: []string{"-reader"}},
	{Name: "dataloader", Server: "blog", Args: []string{"-dataloader"}},
	{Name: "merge", Server: "blog", Args: []string{"-dataloader", "-merge"}},
	{Name: "stream", Server: "blog", Args: []string{"-stream"}},
	{Name: "arena", Server: "blog", Args: []string{"-arena"}},
	{Name: "gc", Server: "blog", Args: []string{"-gc"}},
	{Name: "compiled", Server: "blog", Args: []string{"-compiled"}},
}

func (d *demo) run(ctx context.Context) (err error) {
	say("Starting a private Postgres and building the servers ...")
	testbed, err := load.OpenTestbed(ctx, "blog", "direct")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, testbed.Close()) }()
	report := &load.Report{Date: time.Now().UTC().Truncate(time.Second), Command: d.command, Machine: load.ThisMachine(),
		Versions: load.Versions(ctx, testbed.Postgres.DSN())}

	say("Filling the database at scale %v ...", d.scale)
	if report.Exports, err = d.exports(ctx, testbed); err != nil {
		return err
	}
	running, stop, err := d.launch(ctx, testbed, load.Examples)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for _, name := range []string{"closed", "peak"} {
		comparison, err := d.comparison(ctx, name, running, report.Maximum)
		if err != nil {
			return err
		}
		if name == "closed" {
			report.Maximum = comparison.Median()[0].Throughput
		}
		report.Results = append(report.Results, comparison.Median()...)
		report.Gains = append(report.Gains, comparison.Gains()...)
	}
	if d.alone {
		if err := d.blocksAlone(ctx, testbed, report); err != nil {
			return err
		}
	}
	load.WriteTable(os.Stdout, report.Results)
	load.WriteGains(os.Stdout, report)
	load.WriteExports(os.Stdout, report)
	if err := errors.Join(
		load.WriteFile(d.json, func(w io.Writer) error { return load.WriteJSON(w, report) }),
		load.WriteFile(d.html, func(w io.Writer) error { return load.WriteHTML(w, report) }),
	); err != nil {
		return err
	}
	say("Report: %s", d.html)
	if d.serve {
		for _, t := range running {
			say("%s: %s", t.Name, t.URL)
		}
		say("Postgres: %s   Ctrl-C ends it.", testbed.Postgres.DSN())
		<-ctx.Done()
	}
	return report.Failed()
}

// launch starts servers, which stop stops.
func (d *demo) launch(
	ctx context.Context, testbed *load.Testbed, list []load.Example,
) (targets []load.Target, stop func() error, err error) {
	var started []*load.Server
	stop = func() error { return load.StopAll(started) }
	for _, c := range list {
		s, err := testbed.Launch(ctx, c.Server, c.Name, append([]string{fmt.Sprintf("-scale=%v", d.scale)}, c.Args...)...)
		if err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		started = append(started, s)
		targets = append(targets, s.Target)
	}
	return targets, stop, nil
}

func (d *demo) comparison(
	ctx context.Context, preset string, targets []load.Target, maximum float64,
) (*load.Comparison, error) {
	p, err := load.PresetNamed(preset)
	if err != nil {
		return nil, err
	}
	config := p.Config(maximum)
	config.MinRequests = d.least
	if maximum == 0 { // They have just started: their first plans and statements are not what is compared.
		if err := warm(ctx, targets, config); err != nil {
			return nil, err
		}
	}
	config.Duration, config.Warmup = d.each, min(config.Warmup, d.each/5)
	return load.Compare(ctx, preset, targets, config, d.rounds, os.Stderr)
}

// warm puts targets under a load for as long as it takes to settle.
func warm(ctx context.Context, targets []load.Target, c load.Config) error {
	c.Duration, c.Warmup, c.MinRequests = c.Warmup, 0, 1
	_, err := load.Compare(ctx, "warm-up", targets, c, 1, io.Discard)
	return err
}

// blocksAlone compares the baseline with itself and one block more.
func (d *demo) blocksAlone(ctx context.Context, testbed *load.Testbed, report *load.Report) (err error) {
	targets, stop, err := d.launch(ctx, testbed, blocks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	comparison, err := d.comparison(ctx, "closed", targets, 0)
	if err != nil {
		return err
	}
	for _, g := range comparison.Gains() {
		g.Alone = true
		g.Errors += comparison.Median()[0].Errors // The baseline has no row of its own here.
		report.Gains = append(report.Gains, g)
	}
	return nil
}

// exportScale is the least at which there are enough comments for an export.
const exportScale = 0.5

// exportRounds is how many exports of each server there are at most.
const exportRounds = 5

// exports asks each server for 100 000 rows, if there are so many, in turns.
func (d *demo) exports(ctx context.Context, testbed *load.Testbed) (list []*load.Export, err error) {
	if d.scale < exportScale {
		return nil, nil
	}
	all := make([][]*load.Export, len(load.Examples))
	for round := range min(d.rounds, exportRounds) {
		for _, i := range load.Order(len(all), round) {
			e, err := d.export(ctx, testbed, load.Examples[i])
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], e)
		}
	}
	for _, of := range all {
		list = append(list, load.MedianExport(of))
	}
	return list, nil
}

// export measures that of a server, which is started for it.
func (d *demo) export(ctx context.Context, testbed *load.Testbed, of load.Example) (e *load.Export, err error) {
	targets, stop, err := d.launch(ctx, testbed, []load.Example{of})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return load.MeasureExport(ctx, targets[0])
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
