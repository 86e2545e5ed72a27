package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// Report is what was measured on one core and on two.
type Report struct {
	Date     time.Time      `json:"date"`
	Command  string         `json:"command"`
	Machine  load.Machine   `json:"machine"`
	Versions []load.Version `json:"versions"`
	// Conditions are the worst of all runs.
	Conditions *machine.Conditions `json:"conditions,omitempty"`
	Servers    []*Server           `json:"servers"`
}

// Server has a round for each time that it was measured.
type Server struct {
	Name   string  `json:"name"`
	Rounds []Round `json:"rounds"`
}

// Round is two closed loops that keep all cores busy, and open loops beside the first.
type Round struct {
	One  Run    `json:"oneCore"`
	Two  Run    `json:"twoCores"`
	Open []Open `json:"open"` // on one core
}

// Run is a closed loop. CPU is in seconds for each request.
type Run struct {
	Cores float64 `json:"cores"` // that the server and Postgres were pinned to
	// Shared reports that the generator was pinned to the same cores.
	Shared bool `json:"generatorShares"`
	// Taken is how many of the cores, on average, the generator, other processes and other
	// machines had.
	Taken      float64 `json:"takenCores"`
	Throughput float64 `json:"throughput"`
	P95        float64 `json:"p95"` // milliseconds
	Server     float64 `json:"serverCpu"`
	Postgres   float64 `json:"postgresCpu"`
	Generator  float64 `json:"generatorCpu"`
	Errors     int64   `json:"errors"` // 0, but in old files
}

// Open is an open loop at random times, at a share of the round's throughput on one core.
type Open struct {
	Share  float64 `json:"share"`
	P95    float64 `json:"p95"` // milliseconds
	Errors int64   `json:"errors"`
}

// Law returns the round's law, linear where the serial share cannot be told.
func (r Round) Law() Law {
	l, _ := Fit(r.One, r.Two)
	return l
}

// NewRun keeps what the model needs of a result. One with requests that failed is refused: what they
// cost tells nothing of those that do not.
func NewRun(cores int, shared bool, r *load.Result) (Run, error) {
	if r.Errors > 0 {
		return Run{}, fmt.Errorf("model: %d requests failed (%.2f %%): %v", r.Errors, 100*r.ErrorRate(), r.ErrorKinds)
	}
	run := Run{Cores: float64(cores), Shared: shared, Throughput: r.Throughput, P95: r.Latency.P95}
	if u := r.Resources; u != nil {
		n := float64(max(r.Requests, 1))
		run.Taken = u.TakenCores
		run.Server, run.Postgres, run.Generator = u.ServerCPU/n, u.PostgresCPU/n, u.GeneratorCPU/n
	}
	return run, nil
}

// available is how many cores were left to the server and Postgres.
func (r Run) available() float64 { return r.Cores - r.Taken }

// Others is how many of the cores others than the generator had.
func (r Run) Others() float64 {
	if r.Shared {
		return max(r.Taken-r.Throughput*r.Generator, 0)
	}
	return r.Taken
}

// ErrOthers is the error of adding rounds of other servers.
var ErrOthers = errors.New("model: the rounds so far are of other servers than these")

// Add takes the rounds of another report in, which must be of the same servers.
func (r *Report) Add(more *Report) error {
	same := func(a, b *Server) bool { return a.Name == b.Name }
	switch {
	case len(r.Servers) == 0:
		r.Servers = more.Servers
	case !slices.EqualFunc(r.Servers, more.Servers, same):
		return ErrOthers
	default:
		for i, s := range more.Servers {
			r.Servers[i].Rounds = append(r.Servers[i].Rounds, s.Rounds...)
		}
	}
	r.Conditions = machine.Worst(r.Conditions, more.Conditions)
	return nil
}

// Range is the median of rounds, the lowest and the highest.
type Range struct{ Median, Lowest, Highest float64 }

func rangeOf(list []float64) Range {
	if len(list) == 0 {
		return Range{}
	}
	slices.SortFunc(list, cmp.Compare)
	n := len(list)
	return Range{(list[(n-1)/2] + list[n/2]) / 2, list[0], list[n-1]}
}

// Fitted returns a server with the rounds that have a serial share.
func (s *Server) Fitted() *Server {
	fitted := &Server{Name: s.Name}
	for _, r := range s.Rounds {
		if _, ok := Fit(r.One, r.Two); ok {
			fitted.Rounds = append(fitted.Rounds, r)
		}
	}
	return fitted
}

// Over returns the range of what a function makes of each round.
func (s *Server) Over(f func(Round) float64) Range {
	var list []float64
	for _, r := range s.Rounds {
		list = append(list, f(r))
	}
	return rangeOf(list)
}

// Laws returns the law of each round.
func (s *Server) Laws() []Law {
	var list []Law
	for _, r := range s.Rounds {
		list = append(list, r.Law())
	}
	return list
}

// Law has the median of the rounds for each of its figures.
func (s *Server) Law() Law { return median(s.Laws()) }

func median(laws []Law) Law {
	var perCore, serial []float64
	for _, l := range laws {
		perCore, serial = append(perCore, l.PerCore), append(serial, l.Serial)
	}
	return Law{rangeOf(perCore).Median, rangeOf(serial).Median}
}

// Linear is the error of predicting a round's throughput on two cores, as a share of what
// was measured, from its run on one core alone: as if nothing were serial.
func (s *Server) Linear() Range {
	return s.Over(func(r Round) float64 { return Law{PerCore: r.Law().PerCore}.of(r) - 1 })
}

// LeftOut is the same with the serial share of all other rounds; false if there are none.
func (s *Server) LeftOut() (Range, bool) {
	laws := s.Laws()
	if len(laws) < 2 {
		return Range{}, false
	}
	var list []float64
	for i, r := range s.Rounds {
		others := median(slices.Delete(slices.Clone(laws), i, i+1))
		list = append(list, Law{laws[i].PerCore, others.Serial}.of(r)-1)
	}
	return rangeOf(list), true
}

// of is what the law predicts for a round's second run, against what was measured.
func (l Law) of(r Round) float64 {
	cores := r.Two.Cores - r.Two.Others() // They will have what they had.
	predicted := l.Throughput(cores)
	if r.Two.Shared {
		predicted = l.Shared(cores, r.One.Generator)
	}
	return predicted / r.Two.Throughput
}

// Errors are the requests that failed in all rounds.
func (s *Server) Errors() (n int64) {
	for _, r := range s.Rounds {
		n += r.One.Errors + r.Two.Errors
		for _, o := range r.Open {
			n += o.Errors
		}
	}
	return n
}

// Highest returns the highest share of the throughput that was measured at which no request failed
// in any round and P95, the median of the rounds, is below a bound, in milliseconds. If there is
// none, ok is false, and share the lowest one that was tried, 0 if there is none of these either.
func (s *Server) Highest(bound float64) (share, p95 float64, ok bool) {
	at, failed := map[float64][]float64{}, map[float64]int64{}
	for _, r := range s.Rounds {
		for _, o := range r.Open {
			at[o.Share] = append(at[o.Share], o.P95)
			failed[o.Share] += o.Errors
		}
	}
	for _, each := range slices.Sorted(maps.Keys(at)) {
		m := rangeOf(at[each]).Median
		if below := m < bound && failed[each] == 0; below || share == 0 {
			share, p95, ok = each, m, below
		}
	}
	return share, p95, ok
}
