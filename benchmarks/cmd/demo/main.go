// Command demo shows what gqlboost does for a GraphQL server: it starts a
// private Postgres, fills it, runs the servers under the same load, and prints
// one table. -serve leaves the servers up for a look around.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

const boostedNote = "boosted: not built yet"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var d demo
	flag.Float64Var(&d.scale, "scale", 1, "size of the data; 1 is 10k users")
	flag.DurationVar(&d.each, "duration", 20*time.Second, "measured time of each of the two loads")
	flag.StringVar(&d.html, "html", "out/demo.html", "file to write the page with plots to")
	flag.BoolVar(&d.serve, "serve", false, "leave the servers up until Ctrl-C")
	flag.Parse()
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

type demo struct {
	scale float64
	each  time.Duration
	html  string
	serve bool
}

func (d *demo) run(ctx context.Context) (err error) {
	say("Starting a private Postgres and building the baseline server ...")
	lab, err := load.OpenLab(ctx, "blog")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	say("Filling the database at scale %v and starting the server ...", d.scale)
	server, err := lab.Launch(ctx, "blog", "baseline", fmt.Sprintf("-scale=%v", d.scale))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()

	report := &load.Report{Date: time.Now().UTC().Truncate(time.Second), Command: "make demo", Machine: load.ThisMachine(), Versions: load.Versions(ctx, lab.Postgres.DSN())}
	for _, name := range []string{"closed", "peak"} {
		preset, err := load.PresetNamed(name)
		if err != nil {
			return err
		}
		config := preset.Config(report.Maximum)
		config.Duration = d.each
		result, err := load.Measure(ctx, server.Target, config, os.Stderr)
		if err != nil {
			return err
		}
		result.Preset = name
		report.Results = append(report.Results, result)
		if name == "closed" {
			report.Maximum = result.Throughput
		}
	}
	load.WriteTable(os.Stdout, report.Results)
	fmt.Println(boostedNote)
	if err := writePage(d.html, report); err != nil {
		return err
	}
	say("Report: %s", d.html)
	if d.serve {
		say("baseline: %s   Postgres: %s   Ctrl-C ends it.", server.URL, lab.Postgres.DSN())
		<-ctx.Done()
	}
	return nil
}

func writePage(name string, r *load.Report) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(load.WriteHTML(file, r, boostedNote), file.Close())
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
