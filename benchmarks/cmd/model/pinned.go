package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/internal/model"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// place says which cores are whose.
type place struct{ server, generator []int }

func (p place) shared() bool { return slices.Contains(p.server, p.generator[0]) }

// placesOn returns the places of one core and of two.
func placesOn(cores []int) (places [2]place, err error) {
	switch len(cores) {
	case 0, 1:
		return places, errors.New("two cores are the least to compare one with")
	case 2:
		return [2]place{{cores[:1], cores[1:]}, {cores, cores}}, nil
	}
	return [2]place{{cores[:1], cores[2:]}, {cores[:2], cores[2:]}}, nil
}

// bench measures servers in places.
type bench struct {
	places     [2]place
	each       time.Duration
	least      int64
	started    []*load.Server
	conditions *machine.Conditions // the worst so far
}

// openShares are the loads whose latency is measured: the plan's peak, and one that leaves
// little in reserve.
var openShares = []float64{0.7, 0.85}

const (
	clients = 64
	warmup  = time.Second
)

// round measures a server. Every other round begins with both cores, so that what the machine
// does meanwhile does not always meet the same run.
func (b *bench) round(ctx context.Context, t load.Target, round int) (r model.Round, err error) {
	one := func() error {
		r.One, err = b.closed(ctx, t, b.places[0])
		if err != nil {
			return err
		}
		for _, share := range openShares {
			c := load.Config{Phases: []load.Phase{{Rate: share * r.One.Throughput, Duration: time.Hour}}, Arrivals: load.Poisson}
			result, err := b.measure(ctx, t, c)
			if err != nil {
				return err
			}
			r.Open = append(r.Open, model.Open{Share: share, P95: result.Latency.P95, Errors: result.Errors})
		}
		return nil
	}
	two := func() error {
		r.Two, err = b.closed(ctx, t, b.places[1])
		return err
	}
	runs := []func() error{one, two}
	if round%2 == 1 {
		slices.Reverse(runs)
	}
	for _, run := range runs {
		if err := run(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// closed pins the server, its Postgres and this process, and measures a closed loop.
func (b *bench) closed(ctx context.Context, t load.Target, p place) (model.Run, error) {
	if err := p.pin(ctx, t); err != nil {
		return model.Run{}, err
	}
	result, err := b.measure(ctx, t, load.Config{Clients: clients, Cores: p.server})
	if err != nil {
		return model.Run{}, err
	}
	return model.NewRun(len(p.server), p.shared(), result)
}

func (b *bench) measure(ctx context.Context, t load.Target, c load.Config) (*load.Result, error) {
	c.Mix, c.Duration, c.Warmup, c.MinRequests = load.BlogMix(), b.each, warmup, b.least
	result, err := load.Measure(ctx, t, c, os.Stderr)
	if err != nil {
		return nil, err
	}
	b.conditions = machine.Worst(b.conditions, result.Conditions)
	return result, nil
}

// pin takes a place, and waits until Go's schedulers have noticed.
func (p place) pin(ctx context.Context, t load.Target) error {
	if err := cpu.Pin(os.Getpid(), p.generator); err != nil {
		return err
	}
	for _, pid := range []int{t.PID, t.PostgresPID} {
		if err := cpu.Pin(pid, p.server); err != nil {
			return err
		}
	}
	// Backends that Postgres starts from now on are where it is.
	if postmaster, err := process.NewProcessWithContext(ctx, int32(t.PostgresPID)); err == nil {
		backends, _ := postmaster.ChildrenWithContext(ctx)
		for _, b := range backends {
			if err := cpu.Pin(int(b.Pid), p.server); err != nil {
				return err
			}
		}
	}
	own := func(context.Context) (int, error) { return runtime.GOMAXPROCS(0), nil }
	its := func(ctx context.Context) (int, error) { return processors(ctx, t) }
	return errors.Join(until(ctx, "the load generator", own, len(p.generator)), until(ctx, t.Name, its, len(p.server)))
}

const noticed = 30 * time.Second

// until waits until a process runs Go code on that many cores.
func until(ctx context.Context, who string, procs func(context.Context) (int, error), want int) error {
	ctx, cancel := context.WithTimeout(ctx, noticed)
	defer cancel()
	for {
		got, err := procs(ctx)
		if got == want {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s was pinned to %d cores, and its GOMAXPROCS is %d (its environment variable must not be set): "+
				"%w", who, want, got, errors.Join(err, ctx.Err()))
		}
	}
}

// processors asks a server for its GOMAXPROCS.
func processors(ctx context.Context, t load.Target) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.DebugURL+"/runtime", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var figures struct {
		Processors int `json:"/sched/gomaxprocs:threads"`
	}
	err = json.NewDecoder(response.Body).Decode(&figures)
	return figures.Processors, err
}
