package pool

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Leak is a connection that somebody has held for longer than Config.LeakAfter.
type Leak struct {
	Held  time.Duration
	PID   uint32 // of the connection's server process
	Stack string // of the goroutine that took it
}

// holders remember who took which connection.
type holders struct {
	after  time.Duration
	report func(Leak)
	uses   histogram

	mu   sync.Mutex
	held map[*pgx.Conn]*holder
}

type holder struct {
	since    time.Time
	stack    [32]uintptr
	depth    int
	reported bool
}

func (h *holders) took(conn *pgx.Conn) {
	one := &holder{since: time.Now()}
	one.depth = runtime.Callers(4, one.stack[:])
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[conn] = one
}

func (h *holders) released(conn *pgx.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if one := h.held[conn]; one != nil {
		h.uses.observe(time.Since(one.since))
		delete(h.held, conn)
	}
}

// watch reports each leak once, until the context ends.
func (h *holders) watch(ctx context.Context) {
	tick := time.NewTicker(max(h.after/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, leak := range h.leaks(now) {
				go func() { // It may close the pool, which waits for this goroutine.
					defer caught("OnLeak", nil)
					h.report(leak)
				}()
			}
		}
	}
}

func (h *holders) leaks(now time.Time) (list []Leak) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn, one := range h.held {
		select {
		case <-conn.PgConn().CleanupDone(): // Hijacked, and closed since.
			delete(h.held, conn)
			continue
		default:
		}
		if held := now.Sub(one.since); held >= h.after && !one.reported {
			one.reported = true
			list = append(list, Leak{Held: held, PID: conn.PgConn().PID(), Stack: one.text()})
		}
	}
	return list
}

func (h *holder) text() string {
	text := ""
	frames := runtime.CallersFrames(h.stack[:h.depth])
	for {
		f, more := frames.Next()
		text += fmt.Sprintf("%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		if !more {
			return text
		}
	}
}
