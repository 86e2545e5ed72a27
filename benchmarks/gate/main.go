// Command gate compares the benchmarks of two versions of a module and fails if the
// second is worse. Run it in the module's folder:
//
//	go run github.com/gqlboost/gqlboost/benchmarks/gate@latest -base origin/main -packages ./...
//
// It builds both versions, runs their benchmarks in turns, so that what the machine does
// meanwhile meets both, and compares them with benchmath. Times are worse if their median
// has grown by more than the limit, with a p-value below 0.001 and with the
// intervals of the medians apart; allocations are worse if there are more of them in every
// run. What may be worse is measured again, twice as often, before it is complained of: what
// the second measurement is not certain of is marked, and is no failure. A
// benchmark that the second version does not have, or skips, is worse as well, unless -gone
// names it: nobody knows how fast it is.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var g gate
	flag.StringVar(&g.base, "base", "origin/main", "git revision to compare with")
	flag.StringVar(&g.packages, "packages", "./...", "packages with benchmarks, comma separated")
	flag.StringVar(&g.bench, "bench", ".", "benchmarks to run")
	flag.IntVar(&g.rounds, "rounds", 10, "runs of each version")
	flag.StringVar(&g.benchtime, "benchtime", "50ms", "time of a run of a benchmark")
	limit := flag.Float64("limit", 1.1, "ratio of times above which a benchmark is slower")
	file := flag.String("limits", "", `JSON file with other limits for some benchmarks: {"regular expression": ratio}`)
	gone := flag.String("gone", "^$", "regular expression of the benchmarks that the second version need not have")
	flag.Parse()
	var err error
	if g.gone, err = regexp.Compile(*gone); err == nil && flag.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if err == nil {
		g.limits, err = readLimits(*file, *limit)
	}
	if err == nil {
		err = g.run(ctx)
	}
	stop()
	switch {
	case errors.Is(err, errWorse):
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(2)
	}
}

var errWorse = errors.New("benchmarks are worse than before")

func readLimits(file string, usual float64) (l limits, err error) {
	l.usual = usual
	if !(usual >= 1) { // NaN is none as well.
		return l, fmt.Errorf("-limit is %v: with less than 1, the same time would be slower", usual)
	}
	if file == "" {
		return l, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return l, err
	}
	var own map[string]float64
	if err := json.Unmarshal(data, &own); err != nil {
		return l, fmt.Errorf("%s: %w", file, err)
	}
	for pattern, ratio := range own {
		name, err := regexp.Compile(pattern)
		if err != nil {
			return l, fmt.Errorf("%s: %w", file, err)
		}
		if ratio < 1 {
			return l, fmt.Errorf("%s: the limit of %s is %v: with less than 1, the same time would be slower", file, pattern,
				ratio)
		}
		l.own = append(l.own, limit{name, ratio})
	}
	// The longest first: it says most.
	sort.Slice(l.own, func(i, j int) bool { return len(l.own[i].name.String()) > len(l.own[j].name.String()) })
	return l, nil
}

type gate struct {
	base, packages, bench, benchtime string
	rounds                           int
	limits                           limits
	gone                             *regexp.Regexp // benchmarks that the second version need not have
}

func (g *gate) run(ctx context.Context) (err error) {
	if g.rounds < 7 {
		return errors.New("fewer than 7 rounds cannot be certain of anything")
	}
	scratch, err := os.MkdirTemp("", "gqlboost-gate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	tree := filepath.Join(scratch, "base")
	if err := command(ctx, ".", "git", "worktree", "add", "--detach", "--quiet", tree, g.base); err != nil {
		// It may have been stopped half-way.
		_ = command(context.WithoutCancel(ctx), ".", "git", "worktree", "remove", "--force", tree)
		return err
	}
	defer func() {
		err = errors.Join(err, command(context.WithoutCancel(ctx), ".", "git", "worktree", "remove", "--force", tree))
	}()
	prefix, err := output(ctx, ".", "git", "rev-parse", "--show-prefix")
	if err != nil {
		return err
	}
	before, err := g.build(ctx, filepath.Join(tree, prefix), filepath.Join(scratch, "before"))
	if err != nil {
		return fmt.Errorf("building %s: %w", g.base, err)
	}
	after, err := g.build(ctx, ".", filepath.Join(scratch, "after"))
	if err != nil {
		return err
	}
	a, b, err := g.measure(ctx, before, after, g.bench, g.rounds)
	if err != nil {
		return err
	}
	list := compare(a, b, g.limits)
	if len(list) == 0 {
		return errors.New("the versions have no benchmark in common")
	}
	gone := missing(a, b, g.gone)
	if list, err = g.confirm(ctx, before, after, list); err != nil {
		return err
	}
	return report(list, gone)
}

// confirm measures again what may be worse.
func (g *gate) confirm(ctx context.Context, before, after []suite, list []verdict) ([]verdict, error) {
	var names []string
	for _, v := range list {
		if v.suspect {
			name := "^" + strings.ReplaceAll(regexp.QuoteMeta(withoutProcs(v.name)), "/", "$/^") + "$"
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	type key struct {
		benchmark
		unit string
	}
	again := map[key]verdict{}
	for _, name := range names {
		a, b, err := g.measure(ctx, before, after, name, 2*g.rounds)
		if err != nil {
			return nil, err
		}
		for _, v := range compare(a, b, g.limits) {
			again[key{v.benchmark, v.unit}] = v
		}
	}
	for i, v := range list {
		if v.suspect {
			if second, ok := again[key{v.benchmark, v.unit}]; ok {
				list[i] = second
			}
		}
	}
	return list, nil
}

// withoutProcs cuts the number of processors from a name.
func withoutProcs(name string) string {
	return regexp.MustCompile(`-\d+$`).ReplaceAllString(name, "")
}

// suite is the tests of a package.
type suite struct{ pkg, binary, dir string }

func (g *gate) build(ctx context.Context, dir, to string) (list []suite, err error) {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, err
	}
	args := append([]string{"list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Dir}}{{end}}"},
		strings.Split(g.packages, ",")...)
	packages, err := output(ctx, dir, "go", args...)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(packages) {
		path, source, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		binary := filepath.Join(to, strings.ReplaceAll(path, "/", "_")+".test")
		if err := command(ctx, dir, "go", "test", "-c", "-o", binary, path); err != nil {
			return nil, err
		}
		if _, err := os.Stat(binary); err == nil { // There are tests.
			list = append(list, suite{path, binary, source})
		}
	}
	return list, nil
}

// measure runs both versions in turns, each of them first every other time.
func (g *gate) measure(ctx context.Context, before, after []suite, bench string, rounds int) (a, b samples, err error) {
	a, b = samples{}, samples{}
	for round := range rounds {
		turns := []struct {
			suites []suite
			to     samples
		}{{before, a}, {after, b}}
		if round%2 == 1 {
			turns[0], turns[1] = turns[1], turns[0]
		}
		for i := range max(len(before), len(after)) {
			for _, turn := range turns {
				if i >= len(turn.suites) {
					continue
				}
				s := turn.suites[i]
				text, err := output(ctx, s.dir, s.binary, "-test.run", "^$", "-test.bench", bench, "-test.benchtime", g.benchtime,
					"-test.benchmem")
				if err != nil {
					return nil, nil, err
				}
				if err := turn.to.read(s.pkg, strings.NewReader(text)); err != nil {
					return nil, nil, err
				}
			}
		}
	}
	return a, b, nil
}

func report(list []verdict, gone []benchmark) error {
	unsure := 0
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "benchmark\tunit\tbefore\tafter\tratio\tchance\t")
	worse := 0
	for _, v := range list {
		fmt.Fprintln(w, v)
		if v.worse {
			worse++
		} else if v.suspect {
			unsure++
		}
	}
	_ = w.Flush()
	if unsure > 0 {
		fmt.Printf("%d figures look worse, and may be by chance: more -rounds, or a quiet machine, would tell\n", unsure)
	}
	for _, b := range gone {
		fmt.Printf("%s was not measured in the second version: it was removed, renamed or skipped\n", b)
	}
	if worse+len(gone) > 0 {
		return fmt.Errorf("%w: %d of %d figures, and %d benchmarks are gone", errWorse, worse, len(list), len(gone))
	}
	return nil
}

func command(ctx context.Context, dir, name string, args ...string) error {
	_, err := output(ctx, dir, name, args...)
	return err
}

func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// What it has started, such as a database, it ends itself if it is asked to.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimRight(string(out), "\n"), nil
}
