// Command tables writes the published tables from one file of results.
//
//	tables -demo ../out/demo.json -bench ../out/bench.txt   take new results into results.json
//	tables -peers ../out/peers.json                         the same for those of cmd/peers
//	tables                                                  write RESULTS.md, and the tables in README files
//	tables -check                                           fail if they are not those of results.json
//	tables -rewrite-history                                 make history.jsonl from the commits of results.json
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
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// results are what is published.
type results struct {
	Demo       *load.Report     `json:"demo,omitempty"`
	Peers      *load.PeerReport `json:"peers,omitempty"`
	Benchmarks []figure         `json:"benchmarks,omitempty"`
}

const (
	resultsFile  = "results.json"
	baselineFile = "baseline/baseline.json" // whose profile says what a block can save
	page         = "RESULTS.md"
)

// readmes have tables.
var readmes = []string{
	"../README.md", "../arena/README.md", "../simdjson/README.md", "../stream/README.md", "../plancache/README.md",
	"../pool/README.md", "../pool/dataloader/README.md", "../pool/advisor/README.md",
}

func main() {
	demo := flag.String("demo", "", "JSON of cmd/demo to take in")
	peers := flag.String("peers", "", "JSON of cmd/peers to take in")
	bench := flag.String("bench", "", "output of go test -bench to take in, for the benchmarks that it has")
	check := flag.Bool("check", false, "only compare")
	rewrite := flag.Bool("rewrite-history", false, "make "+historyFile+" from the commits of "+resultsFile)
	flag.Parse()
	var err error
	if *rewrite {
		err = rewriteHistory()
	}
	if err == nil {
		err = run(*demo, *peers, *bench, *check)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tables:", err)
		os.Exit(1)
	}
}

func run(demo, peers, bench string, check bool) error {
	var r results
	if err := readJSON(resultsFile, &r); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	before := r
	if err := r.take(demo, peers, bench); err != nil {
		return err
	}
	if err := addToHistory(&before, &r); err != nil {
		return err
	}
	history, err := readHistory()
	if err != nil {
		return err
	}
	soak, err := load.ReadWindows(soakFile)
	if err != nil {
		return err
	}
	tables := r.tables()
	if r.Demo != nil {
		var baseline load.Report
		if err := readJSON(baselineFile, &baseline); err != nil {
			return err
		}
		if baseline.Breakdown == nil {
			return fmt.Errorf("%s has no profile: run make baseline", baselineFile)
		}
		if tables["targets"], err = targetTable(r.Demo, baseline.Breakdown.CPU, tables); err != nil {
			return err
		}
	}
	files := map[string][]byte{page: r.page(tables, history, soak)}
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
	if err := r.plots(history, soak, files); err != nil {
		return err
	}
	for file, text := range files {
		if err := write(file, text, check); err != nil {
			return err
		}
	}
	return nil
}

// plots adds the files of charts.
func (r *results) plots(history []record, soak []load.Window, files map[string][]byte) error {
	charts := historyCharts(history)
	if len(soak) > 0 {
		charts = append(charts, load.SoakCharts(soak)...)
	}
	plots, err := load.Draw(charts)
	if err != nil {
		return err
	}
	if r.Demo != nil {
		ofDemo, err := load.Plots(r.Demo)
		if err != nil {
			return err
		}
		maps.Copy(plots, ofDemo)
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

// take takes new results in.
func (r *results) take(demo, peers, bench string) (err error) {
	if demo != "" {
		r.Demo = nil
		if err := readJSON(demo, &r.Demo); err != nil {
			return err
		}
		for _, result := range r.Demo.Results {
			result.Timeline, result.Operations = nil, nil // Too much to publish.
			if result.Resources != nil {
				result.Resources.Memory = nil
			}
		}
	}
	if peers != "" {
		r.Peers = nil
		if err := readJSON(peers, &r.Peers); err != nil {
			return err
		}
		r.Peers.Compact()
	}
	if bench != "" {
		measured, err := readBenchmarks(bench)
		if err != nil {
			return err
		}
		r.Benchmarks = merge(r.Benchmarks, measured)
	}
	if demo == "" && peers == "" && bench == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(resultsFile, append(data, '\n'), 0o644)
}

func readJSON(file string, to any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
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
