package load

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// Report is a session of the load test: what is written as JSON.
type Report struct {
	Date     time.Time `json:"date"`
	Command  string    `json:"command"`
	Machine  Machine   `json:"machine"`
	Versions []Version `json:"versions"`
	// Maximum is the closed loop's throughput in requests per second; the rates
	// of the presets are fractions of it. 0 if it was not measured.
	Maximum   float64    `json:"maximum,omitempty"`
	Results   []*Result  `json:"results"`
	Gains     []*Gain    `json:"gains,omitempty"`
	Exports   []*Export  `json:"exports,omitempty"`
	Breakdown *Breakdown `json:"breakdown,omitempty"`
}

// Machine is where the load was run: generator, server and Postgres together.
type Machine struct {
	OS     string `json:"os"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	SIMD   string `json:"simd"` // the widest instructions that this library has code for
	Memory uint64 `json:"memoryBytes"`
}

// Host is the machine as benchmarks name it in their output, with the time.
type Host struct {
	Machine
	Date time.Time `json:"date"`
}

// Same reports whether figures of both machines may stand in one table.
func (m Machine) Same(other Machine) bool {
	return m.CPU == other.CPU && m.Cores == other.Cores && m.SIMD == other.SIMD
}

// String returns what figures depend on.
func (m Machine) String() string { return fmt.Sprintf("%s, %d cores, %s", m.CPU, m.Cores, m.SIMD) }

// Version is that of one part.
type Version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// String returns both, without a name that the version begins with as well, as Go's does.
func (v Version) String() string { return v.Name + " " + strings.TrimPrefix(v.Version, v.Name) }

// Result is one run. Latencies are in milliseconds, of successes only.
type Result struct {
	Server  string  `json:"server"`
	Preset  string  `json:"preset"`
	Mode    string  `json:"mode"` // what was sent, for people
	Rate    float64 `json:"rate,omitempty"`
	Clients int     `json:"clients,omitempty"`
	Seconds float64 `json:"seconds"`

	Requests   int64            `json:"requests"` // successes
	Errors     int64            `json:"errors"`
	ErrorKinds map[string]int64 `json:"errorKinds,omitempty"`
	// AllRequests are the successes of all rounds in a median of them, whose Errors are those of all
	// rounds; 0 in a single run, and in old files. MedianBy is the figure whose median it is: "" is
	// the throughput.
	AllRequests int64  `json:"allRequests,omitempty"`
	MedianBy    string `json:"medianBy,omitempty"`

	Throughput float64 `json:"throughput"` // successes per second
	Bytes      int64   `json:"bytes"`      // of their bodies
	Latency    Latency `json:"latency"`
	// Percentiles are pairs of a percentile and its latency, as far up as ten requests were
	// slower.
	Percentiles [][2]float64 `json:"percentiles,omitempty"`
	// Conditions are the machine's during the run, in the median of rounds the worst of all.
	Conditions *machine.Conditions `json:"conditions,omitempty"`

	Operations []OperationResult `json:"operations"`
	Timeline   []Second          `json:"timeline"`
	Resources  *Resources        `json:"resources,omitempty"`
}

// ByP95 is the [Result.MedianBy] of rounds at a given rate.
const ByP95 = "P95"

// ErrorRate is the share of requests that failed.
func (r *Result) ErrorRate() float64 {
	all := cmp.Or(r.AllRequests, r.Requests) + r.Errors
	if all == 0 {
		return 0
	}
	return float64(r.Errors) / float64(all)
}

// MedianRound names the round that results of a comparison are: "round with the median ...".
func (r *Report) MedianRound() string {
	text := "round with the median throughput"
	if slices.ContainsFunc(r.Results, func(s *Result) bool { return s.MedianBy == ByP95 }) {
		text += ", at a given rate the one with the median P95"
	}
	return text
}

// Latency is in milliseconds.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// OperationResult is the part of a result that belongs to one operation.
type OperationResult struct {
	Name     string  `json:"name"`
	Requests int64   `json:"requests"`
	Errors   int64   `json:"errors"`
	Latency  Latency `json:"latency"`
}

// Second is the requests that were due in one second of the run.
type Second struct {
	Second   int     `json:"second"`
	Requests int64   `json:"requests"`
	Errors   int64   `json:"errors"`
	P50      float64 `json:"p50"`
	P95      float64 `json:"p95"`
	P99      float64 `json:"p99"`
}

// Fraction is the throughput as a fraction of a maximum.
func (r *Result) Fraction(maximum float64) float64 { return share(r.Throughput, maximum) }
