package model

import (
	"errors"
	"math"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b), 1) }

func TestThroughput(t *testing.T) {
	for _, c := range []struct {
		law         Law
		cores, want float64
	}{
		{Law{100, 0}, 1, 100}, {Law{100, 0}, 16, 1600}, {Law{100, 1}, 16, 100},
		{Law{100, 0.2}, 1, 100},
		{Law{100, 0.2}, 16, 400}, // 1600/(1+3)
		{Law{100, -0.5}, 4, 400}, // Better than linear is taken for linear.
		{Law{100, 0}, 1.5, 150},  // What a generator leaves of two cores.
	} {
		if got := c.law.Throughput(c.cores); !near(got, c.want) {
			t.Errorf("%v on %v cores: %v, want %v", c.law, c.cores, got, c.want)
		}
	}
}

func TestShared(t *testing.T) {
	for _, c := range []struct {
		law              Law
		cores, generator float64
		want             float64
	}{
		{Law{100, 0}, 2, 0, 200},
		{Law{100, 0}, 2, 0.01, 100},          // As much for the generator as for the server: half of 200.
		{Law{1000, 0}, 2, 0.0005, 4000. / 3}, // 2/(0.001+0.0005)
		{Law{100, 1}, 2, 0.001, 100},         // The second core is of no use to the server.
	} {
		if got := c.law.Shared(c.cores, c.generator); !near(got, c.want) {
			t.Errorf("%v on %v cores, generator %v: %v, want %v", c.law, c.cores, c.generator, got, c.want)
		}
	}
}

func TestCores(t *testing.T) {
	for _, c := range []struct {
		law        Law
		throughput float64
		want       int
		ok         bool
	}{
		{Law{100, 0}, 1, 1, true},
		{Law{100, 0}, 100, 1, true},
		{Law{100, 0}, 101, 2, true},
		{Law{100, 0}, 1200, 12, true},
		{Law{100, -1}, 1200, 12, true},
		{Law{100, 0.2}, 400, 16, true},
		{Law{100, 0.2}, 401, 17, true},
		{Law{100, 0.2}, 500, 0, false}, // What it comes near to, and never reaches.
		{Law{100, 0.2}, 5000, 0, false},
		{Law{0, 0}, 1, 0, false},
	} {
		got, ok := c.law.Cores(c.throughput)
		if got != c.want || ok != c.ok {
			t.Errorf("%v for %v/s: %d, %v, want %d, %v", c.law, c.throughput, got, ok, c.want, c.ok)
		}
		if ok && (c.law.Throughput(float64(got)) < 0.99*c.throughput || got > 1 && c.law.Throughput(float64(got-1)) >= c.throughput) {
			t.Errorf("%v for %v/s: %d cores are not the least", c.law, c.throughput, got)
		}
	}
}

// roundOf makes a round that a law rules, with a generator that shares both cores or has its own.
func roundOf(l Law, generator float64, shared bool) Round {
	one := Run{Cores: 1, Throughput: l.Throughput(1), Generator: generator}
	two := Run{Cores: 2, Throughput: l.Throughput(2), Generator: generator, Shared: shared}
	if shared {
		two.Throughput = l.Shared(2, generator)
		two.Taken = two.Throughput * generator
	}
	return Round{One: one, Two: two}
}

// What follows a law is fitted to it, and predicted without an error.
func TestFit(t *testing.T) {
	for _, law := range []Law{{100, 0}, {100, 0.05}, {5000, 0.3}, {700, 0.9}} {
		for _, shared := range []bool{false, true} {
			r := roundOf(law, 0.1/law.PerCore, shared)
			got, ok := Fit(r.One, r.Two)
			if !ok || !near(got.PerCore, law.PerCore) || !near(got.Serial, law.Serial) {
				t.Errorf("%v, shared %v: %v", law, shared, got)
			}
			s := &Server{Rounds: []Round{r, r, r}}
			left, ok := s.LeftOut()
			if !ok || !near(left.Lowest, 0) || !near(left.Highest, 0) {
				t.Errorf("%v, shared %v: mispredicted by %v", law, shared, left)
			}
			linear := s.Linear()
			if law.Serial > 0 && linear.Median < 0.3*law.Serial || law.Serial == 0 && !near(linear.Median, 0) {
				t.Errorf("%v, shared %v: without a serial share mispredicted by %v", law, shared, linear)
			}
		}
	}
	// A generator that takes all of the second core leaves nothing to tell the share from.
	if l, ok := Fit(Run{Cores: 1, Throughput: 10}, Run{Cores: 2, Shared: true, Throughput: 10, Generator: 0.1, Taken: 1}); ok || l != (Law{10, 0}) {
		t.Errorf("%v", l)
	}
	if _, ok := (&Server{Rounds: make([]Round, 1)}).LeftOut(); ok {
		t.Error("a round was predicted from no others")
	}
}

// What others take of the cores meanwhile changes neither the law nor its error.
func TestBusyMachine(t *testing.T) {
	law := Law{1000, 0.1}
	for _, shared := range []bool{false, true} {
		one := Run{Cores: 1, Taken: 0.3, Throughput: law.PerCore * 0.7, Generator: 0.0001}
		two := Run{Cores: 2, Taken: 0.2, Throughput: law.Throughput(1.8), Generator: 0.0001, Shared: shared}
		if shared {
			two.Throughput = law.Shared(1.8, 0.0001)
			two.Taken += two.Throughput * two.Generator
		}
		busier := two
		busier.Taken = 0.9
		s := (&Server{Rounds: []Round{{One: one, Two: two}, {One: one, Two: busier}, {One: one, Two: two}}}).Fitted()
		if len(s.Rounds) != 2 {
			t.Errorf("shared %v: %d rounds tell a serial share", shared, len(s.Rounds))
		}
		left, _ := s.LeftOut()
		if got := s.Law(); !near(got.PerCore, 1000) || !near(got.Serial, 0.1) || !near(left.Median, 0) {
			t.Errorf("shared %v: %v, mispredicted by %v", shared, got, left)
		}
	}
}

// A round that differs is mispredicted by the others.
func TestLeftOut(t *testing.T) {
	s := &Server{Rounds: []Round{roundOf(Law{100, 0}, 0, false), roundOf(Law{100, 0}, 0, false), roundOf(Law{100, 1}, 0, false)}}
	got, ok := s.LeftOut()
	// Shares of 0 and 1 are half, which predicts 133 where 200 was measured.
	if !ok || !near(got.Highest, 1) || !near(got.Lowest, -1./3) {
		t.Errorf("%v", got)
	}
	if l := s.Law(); l != (Law{100, 0}) {
		t.Errorf("the median: %v", l)
	}
}

func TestHighest(t *testing.T) {
	round := func(low, high float64) Round {
		return Round{Open: []Open{{Share: 0.7, P95: low}, {Share: 0.85, P95: high}}}
	}
	failing := func(low, high int64) Round {
		return Round{Open: []Open{{Share: 0.7, P95: 10, Errors: low}, {Share: 0.85, P95: 20, Errors: high}}}
	}
	for name, c := range map[string]struct {
		rounds     []Round
		share, p95 float64
	}{
		"both":      {[]Round{round(10, 60)}, 0.85, 60},
		"the lower": {[]Round{round(10, 90)}, 0.7, 10},
		"median":    {[]Round{round(10, 90), round(20, 50), round(30, 70)}, 0.85, 70},
		"none":      {[]Round{round(100, 900)}, 0.7, 100},
		"even":      {[]Round{round(10, 80), round(20, 100)}, 0.7, 15},
		"nothing":   {nil, 0, 0},
		// A server that answers half of the requests may answer those fast.
		"errors at the higher": {[]Round{failing(0, 0), failing(0, 1), failing(0, 0)}, 0.7, 10},
		"errors at both":       {[]Round{failing(1, 1)}, 0.7, 10},
	} {
		share, p95, ok := (&Server{Rounds: c.rounds}).Highest(85)
		if share != c.share || p95 != c.p95 || ok != (name != "none" && name != "nothing" && name != "errors at both") {
			t.Errorf("%s: %v, %v, %v", name, share, p95, ok)
		}
	}
}

func TestAdd(t *testing.T) {
	session := func(name string, steal float64) *Report {
		return &Report{Conditions: &machine.Conditions{Steal: steal}, Servers: []*Server{{Name: name, Rounds: make([]Round, 1)}}}
	}
	r := new(Report)
	for i, steal := range []float64{0.2, 0.1} {
		if err := r.Add(session("a", steal)); err != nil || len(r.Servers[0].Rounds) != i+1 || r.Conditions.Steal != 0.2 {
			t.Errorf("%v, %v", r, err)
		}
	}
	if err := r.Add(session("b", 0)); !errors.Is(err, ErrOthers) || len(r.Servers[0].Rounds) != 2 {
		t.Error(err)
	}
}

func TestNewRun(t *testing.T) {
	r := &load.Result{Requests: 100, Throughput: 50, Latency: load.Latency{P95: 7},
		Resources: &load.Resources{ServerCPU: 2, PostgresCPU: 1, GeneratorCPU: 0.5, TakenCores: 0.25}}
	got, err := NewRun(2, true, r)
	if want := (Run{2, true, 0.25, 50, 7, 0.02, 0.01, 0.005, 0}); err != nil || got != want || !near(got.available(), 1.75) {
		t.Errorf("%+v, available %v, %v", got, got.available(), err)
	}
	r.Errors = 1
	if got, err := NewRun(2, true, r); err == nil {
		t.Errorf("with a request that failed: %+v", got)
	}
}

func TestErrors(t *testing.T) {
	r := Round{One: Run{Errors: 1}, Two: Run{Errors: 2}, Open: []Open{{Errors: 4}, {Errors: 8}}}
	if got := (&Server{Rounds: []Round{r, r}}).Errors(); got != 30 {
		t.Errorf("%d errors", got)
	}
}
