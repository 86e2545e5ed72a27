// Command pgadvise tells what to mend in a database:
//
//	go run github.com/gqlboost/gqlboost/pool/advisor/cmd/pgadvise@latest postgres://...
//
// It changes nothing. With -check it is for pipelines: it exits with 1 if there are
// sequential scans, missing indexes or repeated statements that an earlier report
// (-before) has not. Other failures exit with 2.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case errors.Is(err, errFound):
		fmt.Fprintln(os.Stderr, "pgadvise:", err)
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "pgadvise:", err)
		os.Exit(2)
	}
}

var errFound = errors.New("there is something new to mend")

func run(ctx context.Context, args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("pgadvise", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: pgadvise [flags] [connection string]\n\nWithout a connection string the variables PGHOST, PGDATABASE and so on are used.")
		f.PrintDefaults()
	}
	var o advisor.Options
	record := f.String("record", "", "`file` with the record of a client, see advisor.Recorder")
	since := f.String("since", "", "`file` of an earlier -snapshot: what happened from then on")
	snapshot := f.String("snapshot", "", "write the counters to a `file`, for a later -since, and do nothing else")
	html := f.String("html", "", "write the report as a page to a `file`")
	asJSON := f.String("json", "", "write the report as JSON to a `file`")
	check := f.Bool("check", false, "fail if there are new sequential scans, missing indexes or repeated statements")
	before := f.String("before", "", "`file` with an earlier report (-json): what it has found is not new")
	f.BoolVar(&o.Execute, "execute", false, "execute SELECTs, read-only and bounded by -timeout, to find wrong estimates")
	f.BoolVar(&o.TestData, "test-data", false, "the tables are those of tests: too small for the optimizer to use indexes")
	f.DurationVar(&o.Timeout, "timeout", 0, "bound of each statement (default 5s)")
	f.IntVar(&o.Repeats, "repeats", 0, "how many `times` in a request a statement counts as repeated (default 5)")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp // It has said what is wrong.
	}
	if f.NArg() > 1 {
		f.Usage()
		return flag.ErrHelp
	}
	var earlier *advisor.Report
	for _, file := range []struct {
		name string
		read func(io.Reader) error
	}{
		{*record, func(r io.Reader) (err error) { o.Record, err = advisor.ReadRecord(r); return err }},
		{*since, func(r io.Reader) (err error) { o.Since, err = advisor.ReadSnapshot(r); return err }},
		{*before, func(r io.Reader) error { return json.NewDecoder(r).Decode(&earlier) }},
	} {
		if file.name == "" {
			continue
		}
		r, err := os.Open(file.name)
		if err != nil {
			return err
		}
		err = file.read(r)
		r.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
	}
	conn, err := pgx.Connect(ctx, f.Arg(0))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if *snapshot != "" {
		s, err := advisor.TakeSnapshot(ctx, conn)
		if err != nil {
			return err
		}
		return write(*snapshot, s.Write)
	}
	report, err := advisor.Analyze(ctx, conn, o)
	if err != nil {
		return err
	}
	if err := errors.Join(
		report.WriteText(stdout),
		write(*html, report.WriteHTML),
		write(*asJSON, func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "\t")
			return e.Encode(report)
		}),
	); err != nil || !*check {
		return err
	}
	found := report.Check(earlier)
	if len(found) == 0 {
		if len(report.Blind) > 0 {
			return fmt.Errorf("the check cannot pass, as too little is seen: %s", strings.Join(report.Blind, " "))
		}
		return nil
	}
	fmt.Fprintln(stdout, "\nNew, and a reason to fail:")
	for _, each := range found {
		fmt.Fprintf(stdout, "- %s: %s\n", each.Kind, each.Title)
	}
	return errFound
}

// write writes a file if it has a name.
func write(name string, content func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(content(file), file.Close())
}
