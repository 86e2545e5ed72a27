// Command pgadvise says what to fix in a database first:
//
//	go run github.com/gqlboost/gqlboost/pool/advisor/cmd/pgadvise@latest postgres://...
//
// It changes nothing, unless -history-table or -execute is given. With -check it is for
// pipelines: it exits with 1 if there are sequential scans, missing indexes or repeated
// statements that an earlier report (-before) has not, and with 2 if it fails, or sees too
// little to say that there are none.
// pgadvise -help has the rest.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, errHelp):
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

var (
	errFound = errors.New("there is something new to fix")
	errHelp  = errors.New("help was asked for")
)

const usage = `usage: pgadvise [flags] [connection string]

pgadvise says which statements, indexes and access patterns of a database to fix, what to
do first, and what it brings. It changes nothing in the database, unless -history-table or
-execute is given. Without a connection string the variables PGHOST, PGDATABASE and so on are used.

Examples:
  pgadvise -html advice.html postgres://reader@db.example/shop
  pgadvise -history shop.history -over 720h postgres://reader@db.example/shop
  pgadvise -test-data -record record.json -check -before main.json -json new.json postgres://...

Rights: pg_monitor to see all counters, pg_read_all_data to plan statements. With row level
security the role must be a member of the application's role (-role). Extensions that help:
pg_stat_statements (what runs), hypopg (indexes are tried before they are advised).

Exit codes: 0 a report was written, and -check has found nothing new; 1 -check has found
something new; 2 a failure, or too little evidence for -check.

Flags:
`

// flags are what the command is called with.
type flags struct {
	advisor.Options
	dsn                     string
	record, since, snapshot string
	history, historyTable   string
	over, keep              time.Duration
	html, json, before      string
	check                   bool
	width                   int
	storage                 int64
	earlier                 *advisor.Report
}

func parse(args []string, stdout io.Writer) (*flags, error) {
	f := flag.NewFlagSet("pgadvise", flag.ContinueOnError)
	f.Usage = func() {}
	o := &flags{}
	f.StringVar(&o.record, "record", "", "`file` with the record of a client, see advisor.Recorder")
	f.StringVar(&o.since, "since", "", "`file` of an earlier -snapshot: what happened from then on")
	f.StringVar(&o.snapshot, "snapshot", "", "write the counters to a `file`, for a later -since, and do nothing else")
	f.StringVar(
		&o.history,
		"history",
		"",
		"`file` with snapshots: one is added by each run, and the report is about the time since the first within -over",
	)
	f.StringVar(
		&o.historyTable,
		"history-table",
		"",
		"the same in a `table` of the database, which is made: the one option that writes to it",
	)
	f.DurationVar(&o.over, "over", 30*24*time.Hour, "the period that a report with -history is about")
	f.DurationVar(&o.keep, "keep", 90*24*time.Hour, "how long -history keeps snapshots")
	f.StringVar(&o.html, "html", "", "write the report as a page to a `file`")
	f.StringVar(&o.json, "json", "", "write the report as JSON to a `file`")
	f.BoolVar(
		&o.check,
		"check",
		false,
		"fail if there are new sequential scans, missing indexes or repeated statements",
	)
	f.StringVar(&o.before, "before", "", "`file` with an earlier report (-json): what it has found is not new")
	f.IntVar(&o.width, "width", 0, "`columns` of the text (default: those of the terminal, or 80)")
	f.StringVar(
		&o.Role,
		"role",
		"",
		"the application's `role`, for row level security (default: that which has run a statement)",
	)
	f.Int64Var(&o.storage, "storage", 0, "`MiB` that advised indexes may take in all (default: no bound)")
	f.BoolVar(
		&o.Execute,
		"execute",
		false,
		"execute SELECTs, read-only and bounded by -timeout, to find wrong estimates",
	)
	f.BoolVar(
		&o.TestData,
		"test-data",
		false,
		"the tables are those of tests: too small for the optimizer to use indexes",
	)
	f.DurationVar(&o.Timeout, "timeout", 0, "bound of each statement (default 5s)")
	f.IntVar(&o.Repeats, "repeats", 0, "how many `times` in a request a statement counts as repeated (default 5)")
	help := func(w io.Writer) {
		fmt.Fprint(w, usage)
		f.SetOutput(w)
		f.PrintDefaults()
	}
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		help(stdout)
		return nil, errHelp
	case err != nil: // It has said what is wrong.
		fmt.Fprintln(os.Stderr, "pgadvise -help says what there is.")
		return nil, flag.ErrHelp
	case f.NArg() > 1:
		fmt.Fprintln(
			os.Stderr,
			"There is more than one connection string; flags come before it. pgadvise -help says what there is.",
		)
		return nil, flag.ErrHelp
	}
	o.dsn, o.Storage = f.Arg(0), min(o.storage, math.MaxInt64>>20)<<20
	return o, nil
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if err := o.readFiles(); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, o.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if o.snapshot != "" {
		s, err := advisor.TakeSnapshot(ctx, conn)
		if err != nil {
			return err
		}
		return write(o.snapshot, s.Write)
	}
	if err := o.readHistory(ctx, conn); err != nil {
		return err
	}
	report, err := advisor.Analyze(ctx, conn, o.Options)
	if err != nil {
		return err
	}
	if err := o.writeReport(report, stdout); err != nil || !o.check {
		return err
	}
	return o.checked(report, stdout)
}

// readFiles reads what the flags name.
func (o *flags) readFiles() error {
	for _, file := range []struct {
		name string
		read func(io.Reader) error
	}{
		{o.record, func(r io.Reader) (err error) { o.Record, err = advisor.ReadRecord(r); return err }},
		{o.since, func(r io.Reader) (err error) { o.Since, err = advisor.ReadSnapshot(r); return err }},
		{o.before, func(r io.Reader) error { return json.NewDecoder(r).Decode(&o.earlier) }},
	} {
		if file.name == "" {
			continue
		}
		if err := read(file.name, file.read); err != nil {
			return err
		}
	}
	return nil
}

// writeReport writes the report as text, and to the files that the flags name.
func (o *flags) writeReport(report *advisor.Report, stdout io.Writer) error {
	width := o.width
	if width == 0 {
		width = columns(stdout)
	}
	return errors.Join(
		report.WriteTextWidth(stdout, width),
		write(o.html, report.WriteHTML),
		write(o.json, func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "\t")
			return e.Encode(report)
		}),
	)
}

// checked says whether a pipeline passes.
func (o *flags) checked(report *advisor.Report, stdout io.Writer) error {
	found := report.Check(o.earlier)
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

// read reads a file.
func read(name string, content func(io.Reader) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := content(file); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
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
