package main

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// lower are the kernels below the best one, which is called gqlboost.
var lower = []string{"avx2", "portable"}

// kernelTable has rows of each machine's kernels.
func kernelTable(machines []*measurements) string {
	var benchmarks []string
	var means []map[string]float64 // of each row, by benchmark
	var rows []table.Row
	for _, m := range machines {
		best, kernels := fastest(m.Benchmarks)
		for _, kernel := range append([]string{ours}, lower...) {
			of := map[string][]float64{}
			for key, own := range kernels[kernel] {
				if peer := best[key]; peer > 0 {
					of[key[0]] = append(of[key[0]], peer/own)
				}
			}
			if len(of) == 0 || len(kernels) < 2 {
				continue
			}
			mean := map[string]float64{}
			for name, list := range of {
				mean[name] = geomean(list)
				if !slices.Contains(benchmarks, name) {
					benchmarks = append(benchmarks, name)
				}
			}
			name := map[string]string{ours: m.Machine.SIMD, "avx2": "AVX2 only", "portable": "portable"}[kernel]
			means, rows = append(means, mean), append(rows, table.Row{m.Machine.String(), name})
		}
	}
	slices.Sort(benchmarks)
	header := table.Row{"machine", "kernel"}
	for _, name := range benchmarks {
		_, short, _ := strings.Cut(name, "/")
		header = append(header, short)
	}
	for i := range rows {
		for _, name := range benchmarks {
			cell := ""
			if mean, ok := means[i][name]; ok {
				cell = digits(mean) + "x"
			}
			rows[i] = append(rows[i], cell)
		}
	}
	if len(rows) == 0 {
		return ""
	}
	return markdown(header, rows, "kernel")
}

// fastest returns the time of the fastest peer for each benchmark of simdjson and work, and
// those of our kernels.
func fastest(list []figure) (peers map[[2]string]float64, kernels map[string]map[[2]string]float64) {
	peers, kernels = map[[2]string]float64{}, map[string]map[[2]string]float64{}
	for _, f := range list {
		if f.Package != "simdjson" || f.Unit != "sec/op" || f.Median <= 0 {
			continue
		}
		key := [2]string{f.benchmark(), f.Work}
		switch {
		case f.Impl == ours || slices.Contains(lower, f.Impl):
			if kernels[f.Impl] == nil {
				kernels[f.Impl] = map[[2]string]float64{}
			}
			kernels[f.Impl][key] = f.Median
		case slices.Contains(noPeers, f.Impl):
		case peers[key] == 0 || f.Median < peers[key]:
			peers[key] = f.Median
		}
	}
	return peers, kernels
}
