package callback

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

func TestRun(t *testing.T) {
	errOwn := errors.New("own")
	for want, f := range map[string]func() error{
		"own":                       func() error { return errOwn },
		"a panic: no":               func() error { panic("no") },
		"runtime.Goexit was called": func() error { runtime.Goexit(); return nil },
	} {
		if err := <-Run(Go, f); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := <-Run(Go, func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// Errors come one at a time and in order, whatever the function does, and those beyond the bound are
// left out.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e Errors
		var got []string
		running, blocked := false, make(chan struct{})
		on := func(err error) {
			if running {
				t.Error("two calls at a time")
			}
			running = true
			defer func() { running = false }()
			switch got = append(got, err.Error()); len(got) {
			case 1:
				<-blocked
			case 2:
				panic("no")
			case 3:
				runtime.Goexit()
			case 4:
				e.Send(nil, errors.New("again"))
			}
		}
		var last <-chan struct{}
		send := func(from, to int) (want []string) {
			for i := from; i < to; i++ {
				last = e.Send(on, fmt.Errorf("%d", i))
				want = append(want, fmt.Sprint(i))
			}
			synctest.Wait()
			return want
		}
		want := send(0, 1) // It is being told now.
		want = append(want, send(1, 100)[:mostErrors]...)
		<-last // It was left out.
		close(blocked)
		synctest.Wait()
		want = append(want, "again")
		want = append(want, send(100, 103)...)
		<-last
		if !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}
