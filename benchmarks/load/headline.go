package load

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// BlockAlone reports whether a gain of the report is that of the baseline with one block, and
// not that of one of the servers under load, whose name a block can have.
func (r *Report) BlockAlone(g *Gain) bool {
	if g.Alone || !slices.ContainsFunc(r.Results, func(s *Result) bool { return s.Server == g.Server }) {
		return true
	}
	// Reports of before Alone was recorded have the servers first.
	first := slices.IndexFunc(r.Gains, func(other *Gain) bool {
		return other.Server == g.Server &&
			other.Preset == g.Preset
	})
	return r.Gains[first] != g
}

// Failed returns an error that names the servers and blocks of which requests have failed: what they
// gain is not what they would if they worked.
func (r *Report) Failed() error {
	var errs []error
	for _, s := range r.Results {
		if s.Errors > 0 {
			errs = append(errs, fmt.Errorf("%s, %s: %d requests failed (%s): %v", s.Server, s.Preset, s.Errors,
				percent(s.ErrorRate()), s.ErrorKinds))
		}
	}
	for _, g := range r.Gains {
		if g.Errors > 0 && r.BlockAlone(g) {
			errs = append(errs, fmt.Errorf("%s alone or the baseline beside it, %s: %d requests failed", g.Server, g.Preset,
				g.Errors))
		}
	}
	return errors.Join(errs...)
}

// Headline says in a sentence what was gained, or that nothing was.
func Headline(r *Report) string {
	if len(r.Results) == 0 {
		return "Nothing was measured."
	}
	first := r.Results[0]
	var gains, faster []*Gain
	for _, g := range r.Gains {
		if g.Preset != first.Preset || r.BlockAlone(g) {
			continue
		}
		gains = append(gains, g)
		if g.Throughput.Lowest > 1 && g.Errors == 0 { // In every round: not by luck.
			faster = append(faster, g)
		}
	}
	slices.SortStableFunc(faster, func(a, b *Gain) int { return cmp.Compare(a.Throughput.Median, b.Throughput.Median) })
	base := fmt.Sprintf("%s's %.0f requests/s with a P95 of %s ms", first.Server, first.Throughput,
		tail(first.Requests, 95, first.Latency.P95))
	switch {
	case len(gains) == 0:
		return fmt.Sprintf("%s answers %.0f requests/s with a P95 of %s ms (%s).", first.Server, first.Throughput,
			tail(first.Requests, 95, first.Latency.P95), first.Mode)
	case len(faster) == 0:
		return fmt.Sprintf("Nothing was gained for certain: no server answered more in every round than %s (%s).", base,
			first.Mode)
	}
	most := faster[len(faster)-1]
	luck := ""
	if most.Rounds == 1 {
		luck = " There was one round only, so it may be luck."
	}
	return fmt.Sprintf("%s answered more than %s (%s); %s the most: %.2f times as many, at %.2f times the P95.%s",
		countOf(len(faster), len(gains)), base, first.Mode, most.Server, most.Throughput.Median, most.P95.Median, luck)
}

func countOf(some, all int) string {
	switch {
	case all == 1:
		return "The other server"
	case all == 2 && some == 2:
		return "Both other servers"
	case some == all:
		return fmt.Sprintf("All %d other servers", all)
	}
	return fmt.Sprintf("%d of %d other servers", some, all)
}

// Warning says that the machine was busy during a report's runs, "" if it was not.
func Warning(r *Report) string {
	var all []*machine.Conditions
	busy := 0
	for _, s := range r.Results {
		all = append(all, s.Conditions)
	}
	for _, g := range r.Gains {
		if r.BlockAlone(g) {
			all = append(all, g.Conditions)
		}
	}
	for _, c := range all {
		if c.Busy() {
			busy++
		}
	}
	if busy == 0 {
		return ""
	}
	return fmt.Sprintf("The machine was busy in %d of %d rows (at worst %s): compare the figures with each other, and "+
		"with no other run.",
		busy, len(all), strings.TrimPrefix(machine.Worst(all...).String(), "busy: "))
}
