package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/gqlboost/gqlboost/benchmarks/internal/chart"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// historyFile has a line for each time that new results were taken in.
const historyFile = "history.jsonl"

// record is what was new when results were taken in: ratios only, because the absolute figures
// of one day say nothing about those of another.
type record struct {
	Date    time.Time      `json:"date"`
	Commit  string         `json:"commit"` // the one that was checked out
	Machine string         `json:"machine,omitempty"`
	Servers []serverRatios `json:"servers,omitempty"` // against the baseline, in the closed loop
	Blocks  []blockRatio   `json:"blocks,omitempty"`
}

// serverRatios are those of a server's medians to the baseline's.
type serverRatios struct {
	Server     string  `json:"server"`
	Throughput float64 `json:"throughput"`
	P95        float64 `json:"p95"`
	CPU        float64 `json:"cpu"` // of the server, for each request
}

// blockRatio is the time of the fastest peer for each work of a block's benchmarks, as a
// multiple of the block's own: the geometric mean over the works.
type blockRatio struct {
	Block string  `json:"block"`
	Ratio float64 `json:"ratio"`
	Works int     `json:"works"`
}

// news returns what is in results and was not in those before: a record for each machine of
// which there is something new.
func news(before, now *results) (list []record) {
	var demos []*load.Report
	var ratios []blockRatio
	for _, m := range before.Machines {
		ratios = append(ratios, blockRatios(m.Benchmarks)...)
		if m.Demo != nil {
			demos = append(demos, m.Demo)
		}
	}
	for _, m := range now.Machines {
		r := record{Machine: strings.TrimSuffix(m.Machine.String(), ", ")} // Old results do not tell SIMD.
		if d := m.Demo; d != nil && !slices.ContainsFunc(demos, func(o *load.Report) bool { return o.Date.Equal(d.Date) }) {
			r.Servers = ratiosOf(d)
		}
		for _, b := range blockRatios(m.Benchmarks) {
			if !slices.Contains(ratios, b) {
				r.Blocks = append(r.Blocks, b)
			}
		}
		if len(r.Servers)+len(r.Blocks) > 0 {
			list = append(list, r)
		}
	}
	return list
}

// ratiosOf returns those of the closed loop's servers.
func ratiosOf(d *load.Report) (list []serverRatios) {
	for _, g := range d.Gains {
		if g.Preset == "closed" && !d.BlockAlone(g) {
			list = append(list, serverRatios{g.Server, three(g.Throughput.Median), three(g.P95.Median),
				three(g.ServerCPU.Median)})
		}
	}
	return list
}

var (
	// own are the names of the library's parts in benchmarks: the first of them that a benchmark
	// has is what the others are compared with.
	own = []string{ours, "pgrows", "reader", "adaptive"}
	// noPeers are other ways of the library's, what a program in Go cannot use, and limits that
	// nothing can reach.
	noPeers = []string{"avx2", "portable", "reader-transaction", "pool", "simdjson-cpp", "belady", "discard", "file",
		"mapped"}
	// sized are benchmarks that last as long as they are told to, whatever they find.
	sized = []string{"pool/Overload", "pool/Turns", "pool/Recorder"}
	// timeless are benchmarks whose time is not what they measure.
	timeless = append([]string{"plancache/Ratio", "plancache/Holdout", "plancache/Third", "pool/Restart"}, sized...)
)

// blockRatios returns one for each package that was measured beside a peer.
func blockRatios(list []figure) (ratios []blockRatio) {
	type work struct{ pkg, name string }
	mine, best := map[work]figure{}, map[work]float64{}
	for _, f := range list {
		if f.Unit != "sec/op" || f.Impl == "" || f.Median <= 0 || slices.Contains(timeless, f.benchmark()) {
			continue
		}
		w := work{f.Package, f.Work}
		switch {
		case slices.Contains(own, f.Impl):
			mine[w] = f
		case !slices.Contains(noPeers, f.Impl):
			if b := best[w]; b == 0 || f.Median < b {
				best[w] = f.Median
			}
		}
	}
	at := map[string]int{}
	for _, f := range list { // In their order, so that the result is the same each time.
		w := work{f.Package, f.Work}
		m, measured := mine[w]
		if !measured || best[w] == 0 {
			continue
		}
		delete(mine, w)
		i, known := at[w.pkg]
		if !known {
			i = len(ratios)
			at[w.pkg] = i
			ratios = append(ratios, blockRatio{Block: w.pkg})
		}
		ratios[i].Ratio += math.Log(best[w] / m.Median)
		ratios[i].Works++
	}
	for i := range ratios {
		ratios[i].Ratio = three(math.Exp(ratios[i].Ratio / float64(ratios[i].Works)))
	}
	return ratios
}

// addToHistory appends what is new in results, if anything is.
func addToHistory(list []record, before, now *results) ([]record, error) {
	added := news(before, now)
	if len(added) == 0 {
		return list, nil
	}
	commit, err := git("rev-parse", "--short=10", "HEAD")
	if err != nil {
		return nil, err
	}
	for _, r := range added {
		r.Date, r.Commit = time.Now().UTC().Truncate(time.Second), strings.TrimSpace(commit)
		list = append(list, r)
	}
	return list, nil
}

// rewriteHistory makes the history from the commits that have changed the file of results: as
// if each of their results had been taken in at the commit before.
func rewriteHistory() error {
	log, err := git("log", "--reverse", "--no-merges", "--format=%H %cI", "--", resultsFile)
	if err != nil {
		return err
	}
	var list []record
	before := new(results)
	for line := range strings.Lines(log) {
		commit, date, _ := strings.Cut(strings.TrimSpace(line), " ")
		at, err := time.Parse(time.RFC3339, date)
		if err != nil {
			return err
		}
		text, err := git("show", commit+":./"+resultsFile)
		if err != nil {
			return err
		}
		now, err := parseResults([]byte(text))
		if err != nil {
			return fmt.Errorf("%s of %s: %w", resultsFile, commit, err)
		}
		parent, err := git("rev-parse", "--short=10", commit+"^")
		if err != nil {
			return err
		}
		for _, r := range news(before, now) {
			r.Date, r.Commit = at.UTC(), strings.TrimSpace(parent)
			list = append(list, r)
		}
		before = now
	}
	text, err := historyText(list)
	if err != nil {
		return err
	}
	return write(historyFile, text, false)
}

// parseResults reads a file of results of any time: old ones were of one machine, but for
// benchmarks that name another CPU.
func parseResults(text []byte) (*results, error) {
	var file struct {
		results
		Demo       *load.Report `json:"demo"`
		Benchmarks []struct {
			figure
			CPU string `json:"cpu"`
		} `json:"benchmarks"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	r := &file.results
	var machine load.Machine
	if file.Demo != nil {
		machine = file.Demo.Machine
		r.Machines = append(r.Machines, &measurements{Machine: machine, Demo: file.Demo})
	}
	for _, f := range file.Benchmarks {
		cpu := cmp.Or(f.CPU, machine.CPU)
		i := slices.IndexFunc(r.Machines, func(m *measurements) bool { return m.Machine.CPU == cpu })
		if i < 0 {
			i = len(r.Machines)
			r.Machines = append(r.Machines, &measurements{Machine: load.Machine{CPU: cpu, Cores: machine.Cores}})
		}
		r.Machines[i].Benchmarks = append(r.Machines[i].Benchmarks, f.figure)
	}
	return r, nil
}

func git(args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("git", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

func readHistory() (list []record, err error) {
	text, err := os.ReadFile(historyFile)
	if err != nil {
		if os.IsNotExist(err) {
			return nil, nil
		}
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", historyFile, n, err)
		}
		list = append(list, r)
	}
	return list, lines.Err()
}

func historyText(list []record) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	for _, r := range list {
		if err := encoder.Encode(r); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// historyCharts show servers and blocks over the records, which are numbered as in the table.
func historyCharts(list []record) []chart.Chart {
	const x = "record, the oldest first"
	servers := chart.Chart{Name: "history-servers", Title: "Throughput against the baseline, 64 clients, over commits",
		Kind: chart.Lines, X: x, Y: "x", About: "The throughput of each server as a multiple of the baseline's in the same " +
			"run, each time that the servers were measured."}
	blocks := chart.Chart{Name: "history-blocks", Title: "Time of the best peer against each block's, over commits",
		Kind: chart.Lines, X: x, Y: "x", About: "How many times as long as a block its fastest peer takes, the geometric " +
			"mean over its benchmarks, each time that as many works were measured as in the last record: means over others " +
			"cannot be compared."}
	works := map[string]int{}
	for _, r := range list {
		for _, b := range r.Blocks {
			works[b.Block] = b.Works
		}
	}
	for i, r := range list {
		n := float64(i + 1)
		for _, s := range r.Servers {
			addPoint(&servers, s.Server, n, s.Throughput)
		}
		for _, b := range r.Blocks {
			if b.Works == works[b.Block] {
				addPoint(&blocks, b.Block, n, b.Ratio)
			}
		}
	}
	return []chart.Chart{servers, blocks}
}

// addPoint adds one to the line of a name, which it starts if there is none.
func addPoint(c *chart.Chart, name string, x, y float64) {
	i := slices.IndexFunc(c.Series, func(s chart.Series) bool { return s.Name == name })
	if i < 0 {
		i = len(c.Series)
		c.Series = append(c.Series, chart.Series{Name: name})
	}
	c.Series[i].Points = append(c.Series[i].Points, [2]float64{x, y})
}

// historyTable has a row for each server or block of a record.
func historyTable(list []record) string {
	var rows []table.Row
	for i, r := range list {
		date, commit := r.Date.Format("2 January 2006"), "`"+r.Commit+"`"
		for _, s := range r.Servers {
			rows = append(rows, table.Row{i + 1, date, commit, r.Machine, s.Server + ", server", digits(s.Throughput),
				digits(s.P95), digits(s.CPU), ""})
		}
		for _, b := range r.Blocks {
			rows = append(rows, table.Row{i + 1, date, commit, r.Machine, b.Block, "", "", "",
				fmt.Sprintf("%s (%d)", digits(b.Ratio), b.Works)})
		}
	}
	return markdown(table.Row{"record", "date", "commit", "machine", "of", "throughput", "P95", "CPU per request",
		"best peer's time (works)"}, rows, "date", "commit", "machine", "of")
}

// historySection is the part of the page about it.
func historySection(b *bytes.Buffer, list []record) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## History\n\nEach time that new results were taken in ([%s](%s)): servers against the baseline of "+
		"the same run, and for each block the time of its fastest peer as a multiple of its own, the geometric mean over "+
		"its benchmarks. The commit is the one that was checked out. Machines differ between records, and so do ratios "+
		"between machines. Benchmarks are added over time: the plot has the records with as many works as the last one. "+
		"Only what was measured again is in a record.\n",
		historyFile, historyFile)
	for _, c := range historyCharts(list) {
		if !c.Empty() {
			fmt.Fprintf(b, "\n%s\n", picture("plots/"+c.Name, c.Title))
		}
	}
	fmt.Fprintf(b, "\n<details><summary>All records</summary>\n\n%s\n</details>\n", historyTable(list))
}
