// Command load runs the load test.
//
// With no flags it starts a private Postgres, fills it, builds and starts the
// baseline server, finds its maximum, and runs the preset "normal". -url tests a
// server that is running already.
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
	"syscall"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

type options struct {
	presets  string
	url      string
	scale    float64
	duration time.Duration
	warmup   time.Duration
	clients  int
	rate     float64
	arrivals string
	maximum  float64
	bound    time.Duration
	least    int64
	only     string
	profile  string
	json     string
	html     string
	markdown string
	compare  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.StringVar(&o.presets, "preset", "normal",
		`scenarios, comma separated: closed, normal, peak, sustained, burst, cache-warm-up, max, or "all"`)
	f.StringVar(&o.url, "url", "", "GraphQL endpoint of a running server; without it the blog is started")
	f.Float64Var(&o.scale, "scale", 1, "size of the data; 1 is 10k users")
	f.DurationVar(&o.duration, "duration", 0, "measured time of each scenario instead of the preset's")
	f.DurationVar(&o.warmup, "warm-up", -1, "time before it instead of the preset's")
	f.IntVar(&o.clients, "clients", 0, "closed loop with this many clients instead of a preset")
	f.Float64Var(&o.rate, "rate", 0, "open loop with this many requests per second instead of a preset")
	f.StringVar(&o.arrivals, "arrivals", string(load.Poisson), "constant or poisson, with -rate")
	f.Float64Var(&o.maximum, "maximum", 0,
		"the server's maximum in requests per second, which presets scale to; measured if 0")
	f.DurationVar(&o.bound, "p95", 100*time.Millisecond, "the bound of the preset max")
	f.Int64Var(&o.least, "min-requests", load.MinRequests, "requests that a run must answer to be a result")
	f.StringVar(&o.only, "only", "", "one operation of the mix instead of all, such as export")
	f.StringVar(&o.profile, "profile", "", "folder: profile the server under load into it and print where the time goes")
	f.StringVar(&o.json, "json", "", "file to write the report to as JSON")
	f.StringVar(&o.html, "html", "", "file to write the report to as a page with plots")
	f.StringVar(&o.markdown, "markdown", "", "file to write the report to as Markdown")
	f.BoolVar(&o.compare, "compare", false, "print two JSON reports, given as arguments, side by side")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if o.compare {
		return compare(f.Args())
	}
	if err := flags.Parse(f, args, "scale", "duration", "clients", "rate", "maximum", "p95"); err != nil {
		return err
	}
	if o.clients > 0 && o.rate > 0 {
		return errors.New("-clients is a closed loop and -rate an open one: give one of them")
	}
	s := &session{options: o, report: &load.Report{
		Date: time.Now().UTC().Truncate(time.Second), Command: strings.Join(append([]string{"go run ./cmd/load"}, args...),
			" "), Machine: load.ThisMachine(),
	}}
	err := s.run(ctx)
	return errors.Join(err, s.write())
}

func compare(files []string) error {
	if len(files) != 2 {
		return errors.New("-compare takes two JSON reports")
	}
	reports := make([]*load.Report, 2)
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &reports[i]); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	load.WriteComparison(os.Stdout, reports[0], reports[1])
	return nil
}

// session is one invocation: a database, the servers that it starts, a report.
type session struct {
	options
	report  *load.Report
	testbed *load.Testbed // nil with -url
}

func (s *session) run(ctx context.Context) (err error) {
	if s.url == "" {
		fmt.Fprintln(os.Stderr, "starting Postgres, building the server")
		if s.testbed, err = load.OpenTestbed(ctx, "blog"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.testbed.Close()) }()
		s.report.Versions = load.Versions(ctx, s.testbed.Postgres.DSN())
	}
	scenarios, err := s.scenarios()
	if err != nil {
		return err
	}
	for _, scenario := range scenarios {
		if err := s.scenario(ctx, scenario); err != nil {
			return err
		}
	}
	if s.profile != "" {
		return s.withServer(ctx, func(t load.Target) error {
			result, breakdown, err := load.Profile(ctx, t, max(s.duration, 10*time.Second), s.profile, os.Stderr)
			if err != nil {
				return err
			}
			s.report.Results = append(s.report.Results, result)
			s.report.Breakdown = breakdown
			return nil
		}, "-spans")
	}
	return nil
}

// withServer runs do against the server of -url, or against a fresh one.
func (s *session) withServer(ctx context.Context, do func(load.Target) error, args ...string) (err error) {
	if s.url != "" {
		return do(load.Target{Name: "server", URL: s.url})
	}
	server, err := s.testbed.Launch(ctx, "blog", "baseline", append(args, fmt.Sprintf("-scale=%v", s.scale))...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	return do(server.Target)
}

// scenarios turns the flags into presets.
func (s *session) scenarios() ([]load.Preset, error) {
	switch {
	case s.clients > 0:
		return []load.Preset{{Name: "custom", Clients: s.clients, Duration: 20 * time.Second, Warmup: 3 * time.Second}}, nil
	case s.rate > 0:
		s.maximum = 1 // The rate is not a fraction.
		return []load.Preset{{Name: "custom", Phases: []load.Phase{{Rate: s.rate, Duration: time.Hour}},
			Arrivals: load.Arrivals(s.arrivals),
			Duration: 20 * time.Second, Warmup: 3 * time.Second}}, nil
	case s.presets == "none" && s.profile != "":
		return nil, nil // The profile is what is wanted.
	case s.presets == "none":
		return nil, errors.New("-preset none measures nothing without -profile")
	case s.presets == "all":
		return append(load.Presets, load.Preset{Name: "max"}), nil
	}
	var list []load.Preset
	for name := range strings.SplitSeq(s.presets, ",") {
		if name == "max" {
			list = append(list, load.Preset{Name: "max"})
			continue
		}
		p, err := load.PresetNamed(name)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func (s *session) scenario(ctx context.Context, p load.Preset) error {
	if s.duration > 0 {
		p.Duration = s.duration
	}
	if s.warmup >= 0 {
		p.Warmup = s.warmup
	}
	return s.withServer(ctx, func(t load.Target) error {
		if p.Name == "max" {
			result, err := load.FindMaximum(ctx, t, s.bound, max(s.duration, 5*time.Second), os.Stderr)
			if err == nil {
				s.report.Results = append(s.report.Results, result)
			}
			return err
		}
		if p.Clients == 0 && s.maximum == 0 {
			if err := s.measureMaximum(ctx, t); err != nil {
				return err
			}
			if p.Cold {
				return s.scenario(ctx, p) // On a server that has not been measured.
			}
		}
		config := p.Config(s.maximum)
		config.MinRequests = s.least
		if s.only != "" {
			var err error
			if config.Mix, err = config.Mix.Only(s.only); err != nil {
				return err
			}
		}
		result, err := load.Measure(ctx, t, config, os.Stderr)
		if result != nil {
			result.Preset = p.Name
			s.report.Results = append(s.report.Results, result)
			if p.Name == "closed" {
				s.maximum, s.report.Maximum = result.Throughput, result.Throughput
			}
		}
		return err
	})
}

func (s *session) measureMaximum(ctx context.Context, t load.Target) error {
	fmt.Fprintln(os.Stderr, "measuring the maximum")
	result, err := load.Measure(ctx, t, load.Config{Mix: load.BlogMix(), Clients: 64, Warmup: 2 * time.Second,
		Duration: 8 * time.Second}, os.Stderr)
	if err != nil {
		return err
	}
	if result.Throughput <= 0 {
		return fmt.Errorf("the server answered no request correctly: %v", result.ErrorKinds)
	}
	s.maximum, s.report.Maximum = result.Throughput, result.Throughput
	return nil
}

// write prints the report and writes the files that were asked for. A run that
// was cut short is reported as far as it went.
func (s *session) write() error {
	if len(s.report.Results) == 0 {
		return nil
	}
	load.WriteTable(os.Stdout, s.report.Results)
	if s.report.Breakdown != nil {
		load.WriteBreakdown(os.Stdout, s.report.Breakdown)
	}
	return errors.Join(
		load.WriteFile(s.json, func(w io.Writer) error { return load.WriteJSON(w, s.report) }),
		load.WriteFile(s.html, func(w io.Writer) error { return load.WriteHTML(w, s.report) }),
		load.WriteFile(s.markdown, func(w io.Writer) error { return load.WriteMarkdown(w, s.report) }),
	)
}
