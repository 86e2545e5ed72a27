package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// simulation makes rounds of four servers on a machine whose speed changes from round to round.
type simulation struct {
	random        *rand.Rand
	before, after float64 // the gains of the versions
	noise         float64 // of each run, a share
	busy          func(round int) bool
	slower        bool // after allocates as before does, and takes its time
}

func (s simulation) rounds(n int) (list [][]*load.Result) {
	for i := range n {
		speed := 500 + 1500*s.random.Float64()
		round := make([]*load.Result, servers)
		for j, gain := range []float64{1, s.before, 1, s.after} {
			throughput := speed * gain * (1 + s.noise*(s.random.Float64()-0.5))
			if s.slower {
				gain = s.before
			}
			round[j] = &load.Result{Server: "s", Requests: 1000, Throughput: throughput,
				Resources:  &load.Resources{ServerCPU: 1000 / throughput, Allocations: 3000 / gain},
				Conditions: &machine.Conditions{}}
		}
		if s.busy != nil && s.busy(i) {
			round[s.random.IntN(servers)].Conditions.Others = 0.5
		}
		list = append(list, round)
	}
	return list
}

func TestJudge(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name   string
		after  float64
		rounds int
		worse  bool
	}{{"the same", 3, 8, false}, {"more", 4, 8, false}, {"within the limit", 2.85, 8, false}, {"less", 2, 8, true},
		{"too few rounds", 2, 3, false}} {
		list := judge(simulation{random: random, before: 3, after: c.after, noise: 0.1}.rounds(c.rounds), 1.1)
		if len(list) != len(figures) {
			t.Errorf("%s: %+v", c.name, list)
		}
		for _, v := range list {
			if v.worse != c.worse {
				t.Errorf("%s: %+v", c.name, v)
			}
		}
	}
	only := simulation{random: random, before: 3, after: 3, noise: 0.1}.rounds(8)
	for _, round := range only { // Throughput stays, for want of more load.
		round[compiledAfter].Resources.Allocations *= 2
	}
	if list := judge(only, 1.1); list[0].worse || list[1].worse || !list[2].worse || !strings.Contains(table(list), "WORSE") {
		t.Errorf("twice the allocations: %s", table(list))
	}
	for _, round := range only { // Where the server does not tell.
		round[baselineBefore].Resources = nil
	}
	if list := judge(only, 1.1); len(list) != 1 {
		t.Errorf("without resources: %+v", list)
	}
}

// A version is hardly ever worse than itself, however much the runs differ, and never twice.
func TestJudgeNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	alarms := 0
	for range 500 {
		if anyWorse(judge(simulation{random: random, before: 3, after: 3, noise: 1}.rounds(8), 1.1)) {
			alarms++
		}
	}
	if alarms > 3 {
		t.Errorf("%d alarms of 500", alarms)
	}
}

func TestDecide(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	failed := errors.New("failed")
	same := simulation{random: random, before: 3, after: 3, noise: 0.1}
	less := simulation{random: random, before: 3, after: 2, noise: 0.1}
	busy := less
	busy.busy = func(int) bool { return true }
	slower := busy // Its allocations are the same.
	slower.slower = true
	wild := simulation{random: random, before: 3, after: 2.4, noise: 0.5}
	half := less
	half.busy = func(round int) bool { return round%2 == 1 }
	wrong := func(s simulation) func(int) ([][]*load.Result, error) {
		return func(n int) ([][]*load.Result, error) {
			list := s.rounds(n)
			list[0][compiledAfter].Errors = 1
			return list, nil
		}
	}
	measured := func(list ...simulation) func(int) ([][]*load.Result, error) {
		return func(n int) ([][]*load.Result, error) {
			s := list[0]
			list = list[1:] // Asked more often than expected, it panics.
			return s.rounds(n), nil
		}
	}
	for _, c := range []struct {
		name    string
		measure func(int) ([][]*load.Result, error)
		says    string
		err     error
	}{
		{"the same", measured(same), "8 rounds, 8 of them on a quiet machine", nil},
		{"less", measured(less, less), "16 rounds", errWorse},
		{"less at first only", measured(less, same), "16 rounds", nil},
		{"slower on a busy machine", measured(slower), "no verdict but for allocations: something else used the machine in 8 of 8 rounds", nil},
		{"more allocations on a busy machine", measured(busy, busy), "16 of 16 rounds", errWorse},
		{"a little less, for certain with more rounds only", measured(wild, wild), "16 rounds", errWorse},
		{"less in the quiet half", measured(less, half), "16 rounds, 8 of them on a quiet machine", errWorse},
		{"less, then slower and busy", measured(less, slower), "no verdict", nil},
		{"wrong answers on a busy machine", wrong(slower), "no verdict", nil},
		{"no measurement", func(int) ([][]*load.Result, error) { return nil, failed }, "", failed},
	} {
		var out bytes.Buffer
		if err := decide(8, 1.1, &out, c.measure); !errors.Is(err, c.err) || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: %v, %s", c.name, err, out.String())
		}
	}
	if err := decide(8, 1.1, new(bytes.Buffer), wrong(same)); err == nil || errors.Is(err, errWorse) {
		t.Errorf("wrong answers: %v", err)
	}
}
