package reader_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/pool"
)

// When the server comes back, so does the Reader, at once.
func TestReaderAfterRestart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	own := startOwn(t, nil)
	p, err := pool.New(ctx, own.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r := p.Reader()
	var answers atomic.Int64
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for running.Err() == nil {
				var got int
				if err := r.QueryRow(running, "select $1::int", i).Scan(&got); err != nil {
					time.Sleep(time.Millisecond) // The server is down.
					continue
				}
				if got != i {
					t.Errorf("got %d, want %d", got, i)
				}
				answers.Add(1)
			}
		})
	}
	// Answers to all come quickly again, and most of them on shared connections.
	well := func() {
		t.Helper()
		before, shared := answers.Load(), r.Counts().Shared
		wait.Until(t, "2000 answers, 1000 of them shared", func() bool {
			return answers.Load() >= before+2000 && r.Counts().Shared >= shared+1000
		})
	}
	well()
	restarts := 5
	if testing.Short() {
		restarts = 2
	}
	for range restarts {
		if err := own.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		well()
	}
	stop()
	wg.Wait()
}
