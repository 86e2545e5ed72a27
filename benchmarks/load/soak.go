package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// Window is a part of a load that goes on for hours.
type Window struct {
	Minutes     float64 `json:"minutes"` // of load before it, of all runs
	Requests    int64   `json:"requests"`
	Errors      int64   `json:"errors"`
	Throughput  float64 `json:"throughput"`
	P50         float64 `json:"p50Ms"`
	P95         float64 `json:"p95Ms"`
	P99         float64 `json:"p99Ms"`
	Memory      float64 `json:"memoryBytes"` // resident, at the end
	LiveHeap    float64 `json:"liveHeapBytes"`
	Goroutines  float64 `json:"goroutines"`
	Connections float64 `json:"connections"` // of Postgres
}

// Soak runs a load in windows until there are enough of them in a file, to which each
// is appended when it has ended: a run that was cut short goes on where it was. Only the
// windows are kept in memory.
func Soak(
	ctx context.Context, t Target, c Config, window, total time.Duration, file string, log io.Writer,
) ([]Window, error) {
	windows, err := readWindows(file)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	to, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	if _, err := to.WriteString("\n"); err != nil { // What was cut short must not go on.
		return nil, err
	}
	c.Duration = window
	c.MinRequests = max(c.MinRequests, 1) // A window need not have a P95 of its own: what counts is how all of them drift.
	for n := int(total / window); len(windows) < n; c.Warmup = 0 {
		c.Seed = uint64(len(windows) + 1)
		r, err := Measure(ctx, t, c, io.Discard)
		if err != nil {
			return windows, err
		}
		w := Window{Minutes: float64(len(windows)) * window.Minutes(), Requests: r.Requests, Errors: r.Errors,
			Throughput: r.Throughput,
			P50:        r.Latency.P50, P95: r.Latency.P95, P99: r.Latency.P99}
		if err := w.look(ctx, t); err != nil {
			return windows, err
		}
		line, err := json.Marshal(w)
		if err != nil {
			return windows, err
		}
		if _, err := to.Write(append(line, '\n')); err != nil {
			return windows, err
		}
		windows = append(windows, w)
		fmt.Fprintf(log, "%5.1f of %v: %.0f/s, P95 %.1f ms, %d errors, %.0f MiB, %.0f goroutines, %.0f connections\n",
			w.Minutes+window.Minutes(), total, w.Throughput, w.P95, w.Errors, w.Memory/(1<<20), w.Goroutines, w.Connections)
	}
	return windows, nil
}

// look adds what the server holds.
func (w *Window) look(ctx context.Context, t Target) error {
	p := newProcesses(t.PID, false)
	p.sample()
	w.Memory = float64(p.peak)
	var runtime struct {
		Live       float64 `json:"/gc/heap/live:bytes"`
		Goroutines float64 `json:"/sched/goroutines:goroutines"`
	}
	if t.DebugURL != "" {
		if err := getJSON(ctx, t.DebugURL+"/runtime", &runtime); err != nil {
			return err
		}
	}
	w.LiveHeap, w.Goroutines = runtime.Live, runtime.Goroutines
	if t.PostgresDSN == "" {
		return nil
	}
	conn, err := pgx.Connect(ctx, t.PostgresDSN)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.QueryRow(ctx,
		"select (count(*) - 1)::float8 from pg_stat_activity where backend_type = 'client backend'").Scan(&w.Connections)
}

// readWindows reads what a run before has measured. A line that was cut short is left
// out.
func readWindows(file string) (windows []Window, err error) {
	from, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer from.Close()
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		var w Window
		if json.Unmarshal(lines.Bytes(), &w) == nil {
			windows = append(windows, w)
		}
	}
	return windows, lines.Err()
}
