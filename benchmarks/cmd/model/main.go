// Command model measures what the cost model needs: each server with its Postgres on one core
// and on two, pinned, under a closed loop that keeps these cores busy, and on one core under
// open loops at shares of that throughput, for the latency at a load that is less than all.
//
// Where there are more than two cores, the load generator has the others. With two, it shares
// them in the run on both, and the CPU that it used is subtracted; nothing else can be had.
// With -more, a run is made of several sessions.
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

	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/internal/model"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var s session
	flag.Float64Var(&s.scale, "scale", 1, "size of the data; 1 is 10k users")
	flag.DurationVar(&s.each, "duration", 5*time.Second, "measured time of each run")
	flag.IntVar(&s.rounds, "rounds", 3, "rounds of each server")
	flag.Int64Var(&s.least, "min-requests", load.MinRequests, "requests that a run must answer to be a result")
	flag.StringVar(&s.json, "json", "", "file to write the figures to")
	flag.BoolVar(&s.more, "more", false, "add the rounds to those in the file")
	err := flags.Parse(flag.CommandLine, os.Args[1:], "scale", "duration", "rounds")
	if err == nil {
		s.command = flags.Command(flag.CommandLine, "make model", "rounds", "json", "more")
		err = s.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		stop()
		os.Exit(1)
	}
}

// session is a run of some rounds.
type session struct {
	scale  float64
	each   time.Duration
	rounds int
	least  int64
	json   string
	more   bool
	// command is that of all sessions, without the number of their rounds.
	command string
}

func (s *session) run(ctx context.Context) (err error) {
	allowed, err := cpu.Allowed(0)
	if err != nil {
		return err
	}
	places, err := placesOn(allowed)
	if err != nil {
		return err
	}
	report, err := s.report()
	if err != nil {
		return err
	}
	had := 0
	if len(report.Servers) > 0 {
		had = len(report.Servers[0].Rounds)
	}
	loadBefore := machine.Read().LoadAverage()
	say("Starting a private Postgres and building the servers ...")
	testbed, err := load.OpenTestbed(ctx, "blog", "direct")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, testbed.Close()) }()
	report.Versions = load.Versions(ctx, testbed.Postgres.DSN())
	b := &bench{places: places, each: s.each, least: s.least}
	defer func() { err = errors.Join(err, load.StopAll(b.started)) }()
	measured := new(model.Report)
	for _, e := range load.Examples {
		args := append([]string{fmt.Sprintf("-scale=%v", s.scale)}, e.Args...)
		server, err := testbed.Launch(ctx, e.Server, e.Name, args...)
		if err != nil {
			return err
		}
		b.started = append(b.started, server)
		measured.Servers = append(measured.Servers, &model.Server{Name: e.Name})
	}
	for round := had; round < had+s.rounds; round++ {
		for _, i := range load.Order(len(load.Examples), round) {
			r, err := b.round(ctx, b.started[i].Target, round)
			if err != nil {
				return fmt.Errorf("%s: %w", load.Examples[i].Name, err)
			}
			measured.Servers[i].Rounds = append(measured.Servers[i].Rounds, r)
		}
	}
	if measured.Conditions = b.conditions; measured.Conditions != nil {
		measured.Conditions.Load = loadBefore
	}
	if err := report.Add(measured); err != nil {
		return err
	}
	model.Write(os.Stdout, report)
	return load.WriteFile(s.json, func(w io.Writer) error { return load.WriteJSON(w, report) })
}

// report returns the one to add to.
func (s *session) report() (*model.Report, error) {
	r := &model.Report{Date: time.Now().UTC().Truncate(time.Second), Command: s.command, Machine: load.ThisMachine()}
	if !s.more {
		return r, nil
	}
	return r, load.Continue(s.json, r, &r.Machine, &r.Command)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
