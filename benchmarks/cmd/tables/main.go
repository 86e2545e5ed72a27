// Command tables writes the published tables from one file of results.
//
//	tables -demo ../out/demo.json -bench ../out/bench.txt   take new results into results.json
//	tables -peers ../out/peers.json                         the same for those of cmd/peers
//	tables -model ../out/model.json                         the same for those of cmd/model
//	tables                                                  write RESULTS.md, and the tables in README files
//	tables -check                                           fail if they are not those of results.json
//	tables -rewrite-history                                 make history.jsonl from the commits of results.json
//
// Results are kept for each machine: its CPU, cores and SIMD instructions. New ones take the
// place of those of the same machine only.
//
// A table in a README is between two comments that name it:
//
//	<!-- table closed -->
//	<!-- end -->
//
// A single figure stands between two comments as well, see fillFigures.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gqlboost/gqlboost/benchmarks/internal/flags"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

const (
	resultsFile  = "results.json"
	baselineFile = "baseline/baseline.json" // whose profile says what a block can save
	page         = "RESULTS.md"
)

// readmes have tables.
var readmes = []string{
	"../README.md", "../arena/README.md", "../simdjson/README.md", "../stream/README.md", "../plancache/README.md",
	"../pool/README.md", "../pool/dataloader/README.md", "../pool/advisor/README.md",
	"../contrib/gqlgen/compile/README.md",
}

func main() {
	var in inputs
	flag.StringVar(&in.demo, "demo", "", "JSON of cmd/demo to take in")
	flag.StringVar(&in.peers, "peers", "", "JSON of cmd/peers to take in")
	flag.StringVar(&in.model, "model", "", "JSON of cmd/model to take in")
	flag.StringVar(&in.bench, "bench", "", "output of make bench to take in, for the benchmarks that it has")
	check := flag.Bool("check", false, "only compare")
	rewrite := flag.Bool("rewrite-history", false, "make "+historyFile+" from the commits of "+resultsFile)
	err := flags.Parse(flag.CommandLine, os.Args[1:])
	switch {
	case err == nil && *check && (in != (inputs{}) || *rewrite):
		err = errors.New("-check only compares: it takes nothing in")
	case err == nil && *rewrite:
		err = rewriteHistory()
	}
	if err == nil {
		err = run(in, *check)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tables:", err)
		os.Exit(1)
	}
}

func run(in inputs, check bool) error {
	var r results
	if err := readJSON(resultsFile, &r); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	history, err := readHistory()
	if err != nil {
		return err
	}
	files := map[string][]byte{} // They are written when all of them are known: none, or all.
	if in != (inputs{}) {
		if history, err = takeAndRecord(&r, in, history, files); err != nil {
			return err
		}
	}
	soak, err := load.ReadWindows(soakFile)
	if err != nil {
		return err
	}
	tables, demo := r.tables(), r.demo()
	var baseline load.Report
	if err := readJSON(baselineFile, &baseline); err != nil {
		return err
	}
	if baseline.Breakdown == nil {
		return fmt.Errorf("%s has no profile: run make baseline", baselineFile)
	}
	targets := ""
	if demo != nil {
		if targets, err = targetTable(demo, baseline.Breakdown.CPU, tables); err != nil {
			return err
		}
	}
	files[page] = r.page(targets, &baseline, history, soak)
	for _, file := range readmes {
		old, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if files[file], err = fill(old, tables); err == nil {
			err = onlyPublished(old)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := addPlots(files, demo, history, soak); err != nil {
		return err
	}
	for file, text := range files {
		if err := write(file, text, check); err != nil {
			return err
		}
	}
	return nil
}

// takeAndRecord takes new results in, and adds them to the history: both are among the files to
// write.
func takeAndRecord(r *results, in inputs, history []record, files map[string][]byte) ([]record, error) {
	var before results
	if err := readJSON(resultsFile, &before); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := r.take(in); err != nil {
		return nil, err
	}
	history, err := addToHistory(history, &before, r)
	if err != nil {
		return nil, err
	}
	if files[resultsFile], err = r.text(); err != nil {
		return nil, err
	}
	files[historyFile], err = historyText(history)
	return history, err
}

// addPlots adds the files of charts.
func addPlots(files map[string][]byte, demo *load.Report, history []record, soak []load.Window) error {
	charts := historyCharts(history)
	if len(soak) > 0 {
		charts = append(charts, load.SoakCharts(soak)...)
	}
	if demo != nil {
		charts = append(charts, load.Published(demo)...)
	}
	plots, err := load.Draw(charts)
	if err != nil {
		return err
	}
	for name, text := range plots {
		files[filepath.Join("plots", name)] = text
	}
	return nil
}

// write writes a file, or only compares it.
func write(file string, text []byte, check bool) error {
	old, err := os.ReadFile(file)
	switch {
	case err == nil && bytes.Equal(text, old):
		return nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	case check:
		return fmt.Errorf("%s is not what %s says: run make tables", file, resultsFile)
	}
	return load.WriteFile(file, func(w io.Writer) error { _, err := w.Write(text); return err })
}

var place = regexp.MustCompile(`(?s)(<!-- table ([^\n]+?) -->\n).*?(<!-- end -->)`)

// fill writes tables between the comments that name them.
func fill(text []byte, tables map[string]string) (_ []byte, err error) {
	text = place.ReplaceAllFunc(text, func(found []byte) []byte {
		parts := place.FindSubmatch(found)
		table, ok := tables[string(parts[2])]
		if !ok {
			err = fmt.Errorf("there are no results for the table %s", parts[2])
		}
		return bytes.Join([][]byte{parts[1], []byte(table), parts[3]}, nil)
	})
	if err != nil {
		return nil, err
	}
	return fillFigures(text, tables)
}

// measured is a number with a unit that only a measurement can have.
var measured = regexp.MustCompile(`\d(\.\d+)?\s?(ns|µs|us|ms|s|[kMG]B/s|k/s|x|allocs?|[KMG]i?B)\b`)

// speaking are the headings of sections whose figures come from the results.
var speaking = regexp.MustCompile(`Speed|What it brings|Blocks|compares`)

// onlyPublished fails for measured figures that a README has outside of its tables: they
// would not change when the results do.
func onlyPublished(text []byte) error {
	speed := false
	for line := range strings.Lines(string(single.ReplaceAll(place.ReplaceAll(text, nil), nil))) {
		if strings.HasPrefix(line, "#") {
			speed = speaking.MatchString(line)
		}
		if found := measured.FindString(line); speed && found != "" {
			return fmt.Errorf("%q is no figure of %s: %s", found, resultsFile, strings.TrimSpace(line))
		}
	}
	return nil
}
