package load

import (
	"fmt"
	"time"
)

// Preset is a named scenario. Its rates are fractions of the server's maximum,
// so that it asks the same of every machine.
type Preset struct {
	Name     string
	About    string
	Clients  int // of a closed loop
	Phases   []Phase
	Arrivals Arrivals
	Duration time.Duration
	Warmup   time.Duration
	Variants int
	// Cold asks for a server that has just been started.
	Cold bool
}

// Presets are the scenarios, in the order of a full report. "max" is not one of
// them: it is a search, made by [FindMaximum].
var Presets = []Preset{
	{Name: "closed", About: "64 clients without a pause", Clients: 64, Duration: 20 * time.Second,
		Warmup: 3 * time.Second},
	{Name: "normal", About: "half the maximum", Phases: []Phase{{0.5, time.Hour}}, Arrivals: Poisson,
		Duration: 20 * time.Second, Warmup: 3 * time.Second},
	{Name: "peak", About: "70 % of the maximum", Phases: []Phase{{0.7, time.Hour}}, Arrivals: Poisson,
		Duration: 20 * time.Second, Warmup: 3 * time.Second},
	{Name: "sustained", About: "60 % of the maximum, evenly, for long", Phases: []Phase{{0.6, time.Hour}},
		Arrivals: Constant, Duration: 5 * time.Minute, Warmup: 5 * time.Second},
	{Name: "burst", About: "a second at 120 % in every five at 30 %",
		Phases: []Phase{{0.3, 4 * time.Second}, {1.2, time.Second}}, Arrivals: Poisson, Duration: 30 * time.Second,
		Warmup: 3 * time.Second},
	{Name: "cache-warm-up", About: "half the maximum at a server just started, 200 texts of each query",
		Phases: []Phase{{0.5, time.Hour}}, Arrivals: Poisson, Duration: 20 * time.Second, Variants: 200, Cold: true},
}

// PresetNamed finds a preset.
func PresetNamed(name string) (Preset, error) {
	for _, p := range Presets {
		if p.Name == name {
			return p, nil
		}
	}
	return Preset{}, fmt.Errorf("no preset is named %q", name)
}

// Config scales a preset to a maximum in requests per second.
func (p Preset) Config(maximum float64) Config {
	c := Config{Clients: p.Clients, Arrivals: p.Arrivals, Duration: p.Duration, Warmup: p.Warmup, Variants: p.Variants,
		Mix: BlogMix()}
	for _, phase := range p.Phases {
		c.Phases = append(c.Phases, Phase{phase.Rate * maximum, phase.Duration})
	}
	return c
}

// Mode describes what a config sends.
func (c Config) Mode() string {
	if c.Clients > 0 {
		return fmt.Sprintf("closed loop, %d clients", c.Clients)
	}
	return fmt.Sprintf("open loop, %s arrivals, %.0f/s", c.Arrivals, c.meanRate())
}

func (c Config) meanRate() float64 {
	var requests, seconds float64
	left := c.Warmup + c.Duration
	for left > 0 && len(c.Phases) > 0 {
		for _, p := range c.Phases {
			d := min(p.Duration, left)
			requests += p.Rate * d.Seconds()
			seconds += d.Seconds()
			left -= d
		}
	}
	if seconds == 0 {
		return 0
	}
	return requests / seconds
}
