// Command peers measures what a team would pick instead: other servers of the same blog,
// on the same Postgres, with the same requests and checked answers, in turns. Before a
// server is measured its answers are compared with the baseline's. One that cannot be
// measured is skipped, with the reason. With -more, a run is made of several sessions.
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
	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var s session
	flag.Float64Var(&s.scale, "scale", 1, "size of the data; 1 is 10k users")
	flag.DurationVar(&s.each, "duration", 5*time.Second, "measured time of each run")
	flag.DurationVar(&s.warmup, "warm-up", 3*time.Second, "time before that, in which Node.js compiles what is hot")
	flag.IntVar(&s.rounds, "rounds", 3, "runs of each contender; the table has the median")
	flag.IntVar(&s.clients, "clients", 64, "clients that send one request after the other")
	flag.IntVar(&s.compared, "compared", 300, "answers of each server that are compared with the first one's before")
	flag.Int64Var(&s.least, "min-requests", load.MinRequests, "requests that a run must answer to be a result")
	flag.StringVar(&s.json, "json", "", "file to write the figures to")
	flag.BoolVar(&s.more, "more", false, "add the rounds to those in the file")
	err := flags.Parse(flag.CommandLine, os.Args[1:], "scale", "duration", "rounds", "clients")
	if err == nil {
		s.command = flags.Command(flag.CommandLine, "make peers", "rounds", "json", "more")
		err = s.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		stop()
		os.Exit(1)
	}
}

// session is a run of some rounds.
type session struct {
	scale             float64
	each, warmup      time.Duration
	rounds            int
	clients, compared int
	least             int64
	json              string
	more              bool
	// command is that of all sessions, without the number of their rounds.
	command string
}

func (s *session) run(ctx context.Context) (err error) {
	report, err := s.report()
	if err != nil {
		return err
	}
	loadBefore := machine.Read().LoadAverage()
	say("Starting a private Postgres and building the servers ...")
	testbed, err := load.OpenTestbed(ctx, "blog", "direct")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, testbed.Close()) }()
	f := &field{testbed: testbed, scale: s.scale, compared: s.compared}
	defer func() { err = errors.Join(err, f.stop()) }()
	if err := f.open(ctx); err != nil {
		return err
	}
	report.Versions = append(load.Versions(ctx, testbed.Postgres.DSN()), f.versions...)
	config := load.Config{Mix: load.BlogMix(), Clients: s.clients, Duration: s.each, Warmup: s.warmup,
		MinRequests: s.least}
	comparison, err := load.CompareFrom(ctx, "closed", f.contenders, config, len(report.Rounds), s.rounds, f.skip,
		os.Stderr)
	if err != nil {
		return err
	}
	if err := report.Add(comparison, f.skipped, loadBefore); err != nil {
		return err
	}
	load.WritePeers(os.Stdout, report)
	return load.WriteFile(s.json, func(w io.Writer) error { return load.WriteJSON(w, report) })
}

// report returns the one to add to.
func (s *session) report() (*load.PeerReport, error) {
	r := &load.PeerReport{Date: time.Now().UTC().Truncate(time.Second), Command: s.command, Machine: load.ThisMachine()}
	if !s.more {
		return r, nil
	}
	return r, load.Continue(s.json, r, &r.Machine, &r.Command)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
