package client

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// deadlines records the last deadline, and calls during before it is set.
type deadlines struct {
	*httptest.ResponseRecorder
	during func()
	last   time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	if during := d.during; during != nil {
		d.during = nil
		during()
	}
	d.last = at
	return nil
}

// The deadline of a write that begins at the same time does not take the place of Abort's.
func TestAbortBesideWrite(t *testing.T) {
	for _, timeout := range []time.Duration{time.Minute, -1} {
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		c := New(d, httptest.NewRequest(http.MethodGet, "/", nil), timeout)
		d.during = c.Abort
		_, _ = c.Write([]byte("x"))
		if !d.last.Equal(past) {
			t.Errorf("timeout %v: the deadline is %v", timeout, d.last)
		}
	}
}
