package reader_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/pool"
)

// When the server comes back, so does the Reader, at once.
func TestReaderAfterRestart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
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
	rate := func() int64 {
		before := answers.Load()
		time.Sleep(300 * time.Millisecond)
		return answers.Load() - before
	}
	time.Sleep(300 * time.Millisecond)
	usual := rate()
	restarts := 5
	if testing.Short() {
		restarts = 2
	}
	for range restarts {
		if err := own.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		// A second is enough on a machine of one's own.
		deadline := time.Now().Add(20 * time.Second)
		for now := rate(); now < usual/2; now = rate() {
			if time.Now().After(deadline) {
				t.Fatalf("%d answers in 0.3 s, before the restart %d", now, usual)
			}
		}
	}
	stop()
	wg.Wait()
}
