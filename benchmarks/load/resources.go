package load

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// Resources is what a run cost the server and Postgres. A figure that could not
// be read is 0.
type Resources struct {
	ServerCPU      float64 `json:"serverCpuSeconds"`
	ServerMemory   uint64  `json:"serverPeakBytes"` // resident
	PostgresCPU    float64 `json:"postgresCpuSeconds"`
	GeneratorCPU   float64 `json:"generatorCpuSeconds"`
	PostgresMemory uint64  `json:"postgresPeakBytes"` // resident, shared pages counted once for each backend
	Statements     float64 `json:"statementsPerRequest"`
	Allocations    float64 `json:"allocationsPerRequest"`
	AllocatedBytes float64 `json:"allocatedBytesPerRequest"`
	GCCycles       float64 `json:"gcCycles"`
	GCShare        float64 `json:"gcCpuShare"` // of the server's CPU time, by the Go runtime's own count of both
	GCPauseP50     float64 `json:"gcPauseP50Ms,omitempty"`
	GCPauseP99     float64 `json:"gcPauseP99Ms"`
	GCPauseMax     float64 `json:"gcPauseMaxMs,omitempty"`
	// TakenCores is how many of Config.Cores, on average, neither the server nor Postgres had.
	TakenCores float64 `json:"takenCores,omitempty"`
	// Memory is the server's, about once a second.
	Memory []MemorySample `json:"memory,omitempty"`
}

// MemorySample is the resident memory at a time of the run.
type MemorySample struct {
	Second float64 `json:"second"`
	Bytes  uint64  `json:"bytes"`
}

// Looking at all backends takes some milliseconds of CPU, which the load has to share.
const (
	sampleServerEvery   = 250 * time.Millisecond
	samplePostgresEvery = 2 * time.Second
)

// meter measures a target from begin to end.
type meter struct {
	target   Target
	server   *processes
	postgres *processes
	before   counters
	begin    time.Time
	machine  *machine.Reading
	own      time.Duration // CPU time of the generator before
	memory   []MemorySample
	stop     context.CancelFunc
	sampling sync.WaitGroup
}

// counters are the totals that a run's figures are differences of.
type counters struct {
	runtime    runtimeFigures
	statements float64
}

func startMeter(ctx context.Context, t Target) *meter {
	m := &meter{target: t, server: newProcesses(t.PID, t.Workers), postgres: newProcesses(t.PostgresPID, true)}
	m.before = readCounters(ctx, t)
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.begin, m.machine, m.own = time.Now(), machine.Read(), cpu.Time()
	m.sampleServer()
	m.postgres.sample()
	m.sampling.Go(func() {
		server, postgres := time.NewTicker(sampleServerEvery), time.NewTicker(samplePostgresEvery)
		defer server.Stop()
		defer postgres.Stop()
		for {
			select {
			case <-server.C:
				m.sampleServer()
			case <-postgres.C:
				m.postgres.sample()
			case <-ctx.Done():
				return
			}
		}
	})
	return m
}

// sampleServer keeps a sample of the memory each second, however often it looks for the peak.
func (m *meter) sampleServer() {
	m.server.sample()
	second := time.Since(m.begin).Seconds()
	if n := len(m.memory); m.server.now > 0 && (n == 0 || second >= m.memory[n-1].Second+0.9) {
		m.memory = append(m.memory, MemorySample{math.Round(10*second) / 10, m.server.now})
	}
}

// end returns what requests have cost, and the machine's conditions meanwhile.
func (m *meter) end(ctx context.Context, requests int64, cores []int) (*Resources, *machine.Conditions) {
	m.stop()
	m.sampling.Wait()
	m.sampleServer()
	m.postgres.sample()
	own := cpu.Time() - m.own
	used := time.Duration((m.server.cpu() + m.postgres.cpu()) * float64(time.Second))
	reading := machine.Read()
	conditions := reading.Since(m.machine, own+used)
	if conditions != nil && (m.server.root == nil || m.postgres.root == nil) {
		conditions.Others, conditions.OthersUnknown = 0, true // The server or its Postgres is among them.
	}
	after := readCounters(ctx, m.target)
	n := float64(max(requests, 1))
	return &Resources{
		ServerCPU: m.server.cpu(), ServerMemory: m.server.peak,
		PostgresCPU: m.postgres.cpu(), PostgresMemory: m.postgres.peak, GeneratorCPU: own.Seconds(), Memory: m.memory,
		TakenCores:     reading.Taken(m.machine, cores, used),
		Statements:     max(after.statements-m.before.statements, 0) / n,
		Allocations:    max(after.runtime.Objects-m.before.runtime.Objects, 0) / n,
		AllocatedBytes: max(after.runtime.Bytes-m.before.runtime.Bytes, 0) / n,
		GCCycles:       max(after.runtime.Cycles-m.before.runtime.Cycles, 0),
		GCShare:        after.runtime.gcShare(m.before.runtime),
		GCPauseP50:     1000 * pausePercentile(m.before.runtime.Pauses, after.runtime.Pauses, 0.5),
		GCPauseP99:     1000 * pausePercentile(m.before.runtime.Pauses, after.runtime.Pauses, 0.99),
		GCPauseMax:     1000 * pausePercentile(m.before.runtime.Pauses, after.runtime.Pauses, 1),
	}, conditions
}

func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return max(part/whole, 0)
}

// processes follows a process, with its children if they count.
type processes struct {
	root    *process.Process
	family  bool
	sampled bool
	first   map[int32]float64
	last    map[int32]float64
	now     uint64 // resident memory at the last sample
	peak    uint64
}

func newProcesses(pid int, family bool) *processes {
	p := &processes{family: family, first: map[int32]float64{}, last: map[int32]float64{}}
	if pid > 0 {
		p.root, _ = process.NewProcess(int32(pid)) // nil if it is gone: then there is nothing to measure.
	}
	return p
}

func (p *processes) sample() {
	if p.root == nil {
		return
	}
	var children []*process.Process
	if p.family {
		children, _ = p.root.Children()
	}
	var memory uint64
	for _, each := range append(children, p.root) {
		times, err := each.Times()
		if err != nil {
			continue // It has just gone.
		}
		if _, seen := p.last[each.Pid]; !seen {
			// A child that starts during the run has used nothing before it.
			p.first[each.Pid] = 0
			if !p.sampled {
				p.first[each.Pid] = times.User + times.System
			}
		}
		p.last[each.Pid] = times.User + times.System
		if info, err := each.MemoryInfo(); err == nil {
			memory += info.RSS
		}
	}
	p.sampled = true
	p.now, p.peak = memory, max(p.peak, memory)
}

// cpu is the seconds used between the first and the last sample.
func (p *processes) cpu() (seconds float64) {
	for pid, last := range p.last {
		seconds += last - p.first[pid]
	}
	return seconds
}

// runtimeFigures are what the server's /debug/runtime says.
type runtimeFigures struct {
	GCSeconds float64      `json:"/cpu/classes/gc/total:cpu-seconds"`
	AllCPU    float64      `json:"/cpu/classes/total:cpu-seconds"`
	IdleCPU   float64      `json:"/cpu/classes/idle:cpu-seconds"`
	Cycles    float64      `json:"/gc/cycles/total:gc-cycles"`
	Bytes     float64      `json:"/gc/heap/allocs:bytes"`
	Objects   float64      `json:"/gc/heap/allocs:objects"`
	Pauses    [][2]float64 `json:"/sched/pauses/total/gc:seconds"`
}

// gcShare is the collector's part of the CPU time since a reading before. The runtime counts
// time in which the kernel had given the CPU to others: beside what the kernel says of the
// process, the collector's share was above 1 on a busy machine.
func (f runtimeFigures) gcShare(before runtimeFigures) float64 {
	used := f.AllCPU - f.IdleCPU - (before.AllCPU - before.IdleCPU)
	return min(share(f.GCSeconds-before.GCSeconds, used), 1)
}

func readCounters(ctx context.Context, t Target) (c counters) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if t.DebugURL != "" {
		_ = getJSON(ctx, t.DebugURL+"/runtime", &c.runtime) // Zeros if the server is down.
	}
	if t.PostgresDSN != "" {
		c.statements, _ = countStatements(ctx, t.PostgresDSN) // 0 without the extension.
	}
	return c
}

func getJSON(ctx context.Context, url string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("load: %s: %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(v)
}

// countStatements asks pg_stat_statements, installing it if it is there to be
// installed.
func countStatements(ctx context.Context, dsn string) (calls float64, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "create extension if not exists pg_stat_statements"); err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, `select coalesce(sum(calls), 0)::float8 from pg_stat_statements
		where dbid = (select oid from pg_database where datname = current_database())`).Scan(&calls)
	return calls, err
}

// pausePercentile is that of the pauses between two readings of a histogram.
func pausePercentile(before, after [][2]float64, q float64) float64 {
	counts := map[float64]float64{}
	for _, b := range before {
		counts[b[0]] -= b[1]
	}
	var total float64
	for _, a := range after {
		counts[a[0]] += a[1]
		total += counts[a[0]]
	}
	var sum float64
	for _, a := range after { // In the order of their bounds.
		sum += counts[a[0]]
		if total > 0 && sum >= q*total {
			return a[0]
		}
	}
	return 0
}
