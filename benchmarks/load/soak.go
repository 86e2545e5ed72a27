package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
)

// Window is a part of a load that goes on for hours, with pauses between its sessions. The
// server is started again for each of them.
type Window struct {
	Server      string  `json:"server,omitempty"`  // with its arguments
	Code        string  `json:"code,omitempty"`    // the version that it was built from, see [CodeVersion]
	CPU         string  `json:"cpu,omitempty"`     // of the machine
	Session     int     `json:"session,omitempty"` // from 1; 0 in old files, which have one only
	Minutes     float64 `json:"minutes"`           // of load before it, of all sessions
	Length      float64 `json:"lengthMinutes,omitempty"`
	Busy        bool    `json:"machineBusy,omitempty"` // with something else as well
	Requests    int64   `json:"requests"`
	Errors      int64   `json:"errors"`
	Rate        float64 `json:"rate,omitempty"` // requests per second that were asked for
	Throughput  float64 `json:"throughput"`
	P50         float64 `json:"p50Ms"`
	P95         float64 `json:"p95Ms"`
	P99         float64 `json:"p99Ms"`
	Memory      float64 `json:"memoryBytes"` // resident, at the end
	LiveHeap    float64 `json:"liveHeapBytes"`
	Goroutines  float64 `json:"goroutines"`
	Connections float64 `json:"connections"` // of Postgres
	// What the garbage collector did during the window.
	GCCycles float64 `json:"gcCycles,omitempty"`
	PauseP50 float64 `json:"gcPauseP50Ms,omitempty"`
	PauseP99 float64 `json:"gcPauseP99Ms,omitempty"`
	PauseMax float64 `json:"gcPauseMaxMs,omitempty"`
	// CPU time, microseconds for each request. Postgres's has that of [Speed]'s statements in it.
	ServerCPU   float64 `json:"serverCpuMicros,omitempty"`
	PostgresCPU float64 `json:"postgresCpuMicros,omitempty"`
	Speed
	Heap
}

// Heap is what the Go runtime holds for objects, in bytes. Spans are runs of pages for objects
// of one size: what is unused in them, for want of objects of this size, is fragmentation.
type Heap struct {
	HeapObjects  float64 `json:"heapObjectsBytes,omitempty"`  // live ones, and dead ones that are not yet swept
	HeapUnused   float64 `json:"heapUnusedBytes,omitempty"`   // room in spans
	HeapFree     float64 `json:"heapFreeBytes,omitempty"`     // free spans, still the process's
	HeapReleased float64 `json:"heapReleasedBytes,omitempty"` // free spans, given back to the system
	Stacks       float64 `json:"stacksBytes,omitempty"`
	SpanRecords  float64 `json:"spanRecordsBytes,omitempty"` // what describes spans: it grows with their number
}

// InUse is the memory of spans with objects.
func (h Heap) InUse() float64 { return h.HeapObjects + h.HeapUnused }

// Fragmentation is the share of the memory in use that no object has.
func (h Heap) Fragmentation() float64 { return share(h.HeapUnused, h.InUse()) }

// SoakPlan is how long a soak goes on, and where it is written down.
type SoakPlan struct {
	Server string        // with its arguments; the file must be of no other one
	Code   string        // the version that it is built from; the file may be of several
	Window time.Duration // length of a window
	Total  time.Duration // of all sessions
	Piece  time.Duration // of this session at most; no bound if it is 0
	File   string        // a line for each window
}

// Windows returns what the file has, and an error if a load cannot go on with it.
func (p SoakPlan) Windows(c Config) ([]Window, error) {
	windows, _, err := p.begin(c)
	return windows, err
}

// begin returns the windows of the sessions before this one, and the first one of this.
func (p SoakPlan) begin(c Config) (windows []Window, now Window, err error) {
	if p.Window <= 0 || p.Piece < 0 || p.Piece > 0 && p.Piece < p.Window {
		return nil, now, fmt.Errorf("load: a soak of %v has no window of %v", p.Piece, p.Window)
	}
	if windows, err = ReadWindows(p.File); err != nil {
		return nil, now, err
	}
	c.Duration = p.Window
	now = Window{Server: p.Server, Code: p.Code, CPU: ThisMachine().CPU, Session: 1, Length: p.Window.Minutes(),
		Rate: math.Round(c.meanRate())}
	for _, w := range windows {
		if now, err = now.after(w); err != nil {
			return windows, now, fmt.Errorf("load: %s: %w: choose another -file", p.File, err)
		}
	}
	return windows, now, nil
}

// Soak runs a load in windows until there are enough of them in a file, to which each
// is appended when it has ended, or until this session has had its piece. The next session goes
// on where this one was, however it ended. Only the windows are kept in memory.
func Soak(ctx context.Context, t Target, c Config, plan SoakPlan, log io.Writer) ([]Window, error) {
	windows, now, err := plan.begin(c)
	if err != nil {
		return windows, err
	}
	c.Duration = plan.Window
	c.MinRequests = max(c.MinRequests, 1) // A window need not have a P95 of its own: what counts is how all of them drift.
	to, err := openLog(plan.File)
	if err != nil {
		return nil, err
	}
	defer to.file.Close()
	for range plan.windows(len(windows)) {
		c.Seed = uint64(len(windows) + 1)
		w, err := now.measure(ctx, t, c)
		if err != nil {
			return windows, err
		}
		line, err := json.Marshal(w)
		if err == nil {
			err = to.append(append(line, '\n'))
		}
		if err != nil {
			return windows, err
		}
		windows = append(windows, w)
		now.Minutes += now.Length
		c.Warmup = 0
		had := time.Duration(now.Minutes * float64(time.Minute)).Round(time.Second)
		fmt.Fprintf(log, "%v of %v: %.0f/s, P95 %.1f ms, %d errors, %.0f MiB, %.0f goroutines, %.0f connections\n",
			had, plan.Total, w.Throughput, w.P95, w.Errors, w.Memory/(1<<20), w.Goroutines, w.Connections)
	}
	return windows, nil
}

// windows is how many this session has, after others.
func (p SoakPlan) windows(had int) int {
	n := int(p.Total/p.Window) - had
	if p.Piece > 0 {
		n = min(n, int(p.Piece/p.Window))
	}
	return max(n, 0)
}

// after returns the first window of the session that follows one with the last window. A file of
// another server or load must not go on with this one.
func (w Window) after(last Window) (Window, error) {
	switch {
	case last.Server != w.Server:
		return w, fmt.Errorf("its server is %q, not %q", last.Server, w.Server)
	case last.Rate != w.Rate:
		return w, fmt.Errorf("its load is %v requests/s, not %v", last.Rate, w.Rate)
	case last.Length != w.Length:
		return w, fmt.Errorf("its windows have %v minutes, not %v", last.Length, w.Length)
	}
	w.Session, w.Minutes = last.Session+1, last.Minutes+last.Length
	return w, nil
}

// measure returns the window with its figures.
func (w Window) measure(ctx context.Context, t Target, c Config) (Window, error) {
	g, err := beginGauge(ctx, t.PostgresDSN)
	if err != nil {
		return w, err
	}
	r, err := Measure(ctx, t, c, io.Discard)
	w.Speed = g.end()
	if err != nil {
		return w, err
	}
	w.Busy = r.Conditions.Busy()
	w.Requests, w.Errors, w.Throughput = r.Requests, r.Errors, r.Throughput
	w.P50, w.P95, w.P99 = r.Latency.P50, r.Latency.P95, r.Latency.P99
	if u := r.Resources; u != nil {
		w.GCCycles, w.PauseP50, w.PauseP99, w.PauseMax = u.GCCycles, u.GCPauseP50, u.GCPauseP99, u.GCPauseMax
		micros := 1e6 / float64(max(r.Requests, 1))
		w.ServerCPU, w.PostgresCPU = micros*u.ServerCPU, micros*u.PostgresCPU
	}
	err = w.look(ctx, t)
	return w, err
}

// look adds what the server holds.
func (w *Window) look(ctx context.Context, t Target) error {
	p := newProcesses(t.PID, false)
	p.sample()
	w.Memory = float64(p.peak)
	var runtime struct {
		Live       float64 `json:"/gc/heap/live:bytes"`
		Goroutines float64 `json:"/sched/goroutines:goroutines"`
		Objects    float64 `json:"/memory/classes/heap/objects:bytes"`
		Unused     float64 `json:"/memory/classes/heap/unused:bytes"`
		Free       float64 `json:"/memory/classes/heap/free:bytes"`
		Released   float64 `json:"/memory/classes/heap/released:bytes"`
		Stacks     float64 `json:"/memory/classes/heap/stacks:bytes"`
		Spans      float64 `json:"/memory/classes/metadata/mspan/inuse:bytes"`
	}
	if t.DebugURL != "" {
		if err := getJSON(ctx, t.DebugURL+"/runtime", &runtime); err != nil {
			return err
		}
	}
	w.LiveHeap, w.Goroutines = runtime.Live, runtime.Goroutines
	w.Heap = Heap{runtime.Objects, runtime.Unused, runtime.Free, runtime.Released, runtime.Stacks, runtime.Spans}
	if t.PostgresDSN == "" {
		return nil
	}
	conn, err := pgx.Connect(ctx, t.PostgresDSN)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// That of the gauge may be there for a moment after it was closed.
	return conn.QueryRow(ctx, `select (count(*) - 1)::float8 from pg_stat_activity
		where backend_type = 'client backend' and application_name <> $1`, gaugeName).Scan(&w.Connections)
}
