// Command fleet shows what several instances of a server do while they are deployed, killed and
// cut off: see package fleet. It fails if something does not hold that must.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/fleet"
	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := fleet.Options{Log: os.Stderr}
	flag.Float64Var(&o.Scale, "scale", 0.1, "size of the data; 1 is 10k users")
	flag.IntVar(&o.Instances, "instances", 4, "instances of the blog")
	flag.Float64Var(&o.Rate, "rate", 0, "requests per second; 0 is 30 % of what a closed loop gets through")
	flag.DurationVar(&o.Window, "window", 15*time.Second, "what is looked at before each event and after it")
	flag.BoolVar(&o.Short, "short", false, "leave out the checks of the latency, which need long windows")
	var protections []string
	for _, p := range fleet.Protections {
		protections = append(protections, p.Name+" ("+p.About+")")
	}
	flag.Func("without", "what to leave out, with commas, to see what it is good for: "+strings.Join(protections, ", "),
		func(list string) error { o.Without = strings.Split(list, ","); return nil })
	html := flag.String("html", "out/fleet.html", "file to write the page with the timeline to")
	install := flag.Bool("install", false, "install what is missing, by apt-get")
	err := flags.Parse(flag.CommandLine, os.Args[1:], "scale", "instances", "window")
	if err == nil {
		err = run(ctx, o, *html, *install)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o fleet.Options, html string, install bool) error {
	if err := fleet.Need(ctx, install); err != nil {
		return err
	}
	report, err := fleet.Run(ctx, o)
	if err != nil {
		return err
	}
	if err := load.WriteFile(html, report.WriteHTML); err != nil {
		return err
	}
	for _, c := range report.Checks {
		fmt.Println(c)
	}
	if n := len(report.Open()); n > 0 {
		fmt.Printf("%d checks are open: run it again on a quiet machine\n", n)
	}
	fmt.Println("Report:", html)
	if n := len(report.Failed()); n > 0 {
		return fmt.Errorf("%d of %d checks do not hold", n, len(report.Checks))
	}
	return nil
}
