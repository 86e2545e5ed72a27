package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/model"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// results are what is published: the measurements of each machine, those of the machine with the most
// parts first, then those of the one that was measured last: README files should be of few machines.
type results struct {
	Machines []*measurements `json:"machines"`
}

// measurements are those of one machine.
type measurements struct {
	Machine    load.Machine     `json:"machine"`
	Demo       *load.Report     `json:"demo,omitempty"`
	Peers      *load.PeerReport `json:"peers,omitempty"`
	Model      *model.Report    `json:"model,omitempty"`
	Benchmarks []figure         `json:"benchmarks,omitempty"`
}

// newest is when the last of them was measured.
func (m *measurements) newest() time.Time {
	var dates []time.Time
	if m.Demo != nil {
		dates = append(dates, m.Demo.Date)
	}
	if m.Peers != nil {
		dates = append(dates, m.Peers.Date)
	}
	if m.Model != nil {
		dates = append(dates, m.Model.Date)
	}
	for _, f := range m.Benchmarks {
		dates = append(dates, f.Date)
	}
	return slices.MaxFunc(append(dates, time.Time{}), time.Time.Compare)
}

// parts is how many things have been measured: servers, peers, the model, and each package's benchmarks.
func (m *measurements) parts() int {
	n := 0
	for _, has := range []bool{m.Demo != nil, m.Peers != nil, m.Model != nil} {
		if has {
			n++
		}
	}
	packages := map[string]bool{}
	for _, f := range m.Benchmarks {
		packages[f.Package] = true
	}
	return n + len(packages)
}

// on returns the measurements of a machine, which it adds if there are none.
func (r *results) on(m load.Machine) (*measurements, error) {
	if m.CPU == "" || m.Cores == 0 || m.SIMD == "" {
		return nil, fmt.Errorf("%+v: new results must say which CPU, how many cores and which SIMD instructions they are of",
			m)
	}
	for _, known := range r.Machines {
		if known.Machine.Same(m) {
			return known, nil
		}
	}
	added := &measurements{Machine: m}
	r.Machines = append(r.Machines, added)
	return added, nil
}

// demo returns that of the first machine that has one, nil if there is none.
func (r *results) demo() *load.Report {
	for _, m := range r.Machines {
		if m.Demo != nil {
			return m.Demo
		}
	}
	return nil
}

// inputs are files with new results, "" for none.
type inputs struct{ demo, peers, model, bench string }

// take takes new results in, in place of those that the same machine has.
func (r *results) take(in inputs) error {
	err := errors.Join(
		takeReport(in.demo, func(d *load.Report) error {
			if err := errors.Join(madeBy("make demo", d.Command), d.Failed()); err != nil {
				return err
			}
			for _, result := range d.Results {
				result.Timeline, result.Operations = nil, nil // Too much to publish.
				if result.Resources != nil {
					result.Resources.Memory = nil
				}
			}
			m, err := r.on(d.Machine)
			if err == nil {
				m.Demo = d
			}
			return err
		}),
		takeReport(in.peers, func(p *load.PeerReport) error {
			failed := (&load.Report{Results: p.Results}).Failed()
			if err := errors.Join(madeBy("make peers", p.Command), failed); err != nil {
				return err
			}
			p.Compact()
			m, err := r.on(p.Machine)
			if err == nil {
				m.Peers = p
			}
			return err
		}),
		takeReport(in.model, func(p *model.Report) error {
			if err := madeBy("make model", p.Command); err != nil {
				return err
			}
			m, err := r.on(p.Machine)
			if err == nil {
				m.Model = p
			}
			return err
		}))
	if in.bench != "" && err == nil {
		err = r.takeBenchmarks(in.bench)
	}
	slices.SortStableFunc(r.Machines, func(a, b *measurements) int {
		return cmp.Or(cmp.Compare(b.parts(), a.parts()), b.newest().Compare(a.newest()))
	})
	return err
}

// madeBy returns an error if a report is not that of a command, whatever its arguments: reports
// look alike, and one that stands in another one's place is published under a wrong name.
func madeBy(want, command string) error {
	if command == want || strings.HasPrefix(command, want+" ") {
		return nil
	}
	return fmt.Errorf("it was made by %q, and %q is wanted", command, want)
}

// takeReport reads a report, if there is one.
func takeReport[T any](file string, take func(*T) error) error {
	if file == "" {
		return nil
	}
	report := new(T)
	if err := readJSON(file, report); err != nil {
		return err
	}
	if err := take(report); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (r *results) takeBenchmarks(file string) error {
	host, list, err := readBenchmarks(file)
	if err != nil {
		return err
	}
	m, err := r.on(host)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	m.Benchmarks = merge(m.Benchmarks, list)
	if n := uncertain(list); n > 0 {
		fmt.Fprintf(os.Stderr, "tables: %s: %d of %d figures have too few runs for an interval: make bench COUNT=6 has "+
			"enough\n", file, n, len(list))
	}
	return nil
}

// uncertain counts the figures without an interval.
func uncertain(list []figure) (n int) {
	for _, f := range list {
		if f.Confidence == 0 {
			n++
		}
	}
	return n
}

// merge puts new figures in place of those of the same benchmarks.
func merge(old, measured []figure) []figure {
	list := slices.DeleteFunc(slices.Clone(old), func(f figure) bool {
		return slices.ContainsFunc(measured, func(m figure) bool { return m.benchmark() == f.benchmark() })
	})
	list = append(list, measured...)
	slices.SortStableFunc(list, func(a, b figure) int { return cmp.Compare(a.Package, b.Package) })
	return list
}

// text is the results as their file has them.
func (r *results) text() ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	return append(data, '\n'), err
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
