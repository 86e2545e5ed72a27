package client

import (
	"errors"
	"fmt"
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

// passing is a ResponseWriter with FlushError, as that of gzhttp, of one that has no Flush.
type passing struct{ *deadlines }

func (passing) FlushError() error { return fmt.Errorf("%w", http.ErrNotSupported) }

func TestWriteWhereFlushIsNotPassedOn(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	c := New(passing{d}, httptest.NewRequest(http.MethodGet, "/", nil), time.Minute)
	for range 2 {
		if n, err := c.Write([]byte("x")); n != 1 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	}
	c.Prompt()
	if _, err := c.Write([]byte("x")); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("somebody waits: got %v", err)
	}
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

// bodiless is a ResponseWriter after a middleware that has set a status without a body.
type bodiless struct{ *deadlines }

func (bodiless) Write([]byte) (int, error) { return 0, http.ErrBodyNotAllowed }

// What follows a chunk for a response without a body is not the client's time either.
func TestWriteWithoutBody(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	c := New(bodiless{d}, httptest.NewRequest(http.MethodGet, "/", nil), time.Minute)
	if n, err := c.Write([]byte("x")); n != 1 || err != nil || !d.last.IsZero() {
		t.Errorf("%d, %v, and the deadline is %v", n, err, d.last)
	}
}

// What follows a whole response is not the client's time, also if the request was HEAD.
func TestWholeLeavesNoDeadline(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for major := 1; major <= 2; major++ {
			d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
			r := httptest.NewRequest(method, "/", nil)
			r.ProtoMajor = major
			c := New(d, r, time.Minute)
			bounded := false // The first deadline is that of the write, the next one is none.
			d.during = func() { d.during = func() { bounded = !d.last.IsZero() } }
			if err := c.Whole(http.StatusOK, []byte("{}")); err != nil || !bounded || !d.last.IsZero() {
				t.Errorf("%s, HTTP/%d: %v, bounded %v, the deadline is %v", method, major, err, bounded, d.last)
			}
		}
	}
}

// measuring records how many bytes are written with one deadline.
type measuring struct {
	*deadlines
	bytes, most, times int
}

func (m *measuring) SetWriteDeadline(at time.Time) error {
	m.bytes = 0
	m.times++
	return m.deadlines.SetWriteDeadline(at)
}

func (m *measuring) Write(b []byte) (int, error) {
	m.bytes += len(b)
	m.most = max(m.most, m.bytes)
	return m.deadlines.Write(b)
}

// A client may take the timeout for a chunk, not for all that was held.
func TestDeadlineOfWhatWasHeld(t *testing.T) {
	m := &measuring{deadlines: &deadlines{ResponseRecorder: httptest.NewRecorder()}}
	c := New(m, httptest.NewRequest(http.MethodGet, "/", nil), time.Minute)
	c.Hold()
	const chunk, n = 256 << 10, 40
	for range n {
		if _, err := c.Write(make([]byte, chunk)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Whole(http.StatusOK, []byte("}")); err != nil || m.Body.Len() != n*chunk+1 || !m.last.IsZero() {
		t.Errorf("%v, %d bytes, the deadline is %v", err, m.Body.Len(), m.last)
	}
	if m.most > 2*chunk {
		t.Errorf("%d bytes have one deadline", m.most)
	}
}

// A client that takes next to nothing does not have all that is held kept for hours.
func TestDeadlinesOfWhatWasHeld(t *testing.T) {
	m := &measuring{deadlines: &deadlines{ResponseRecorder: httptest.NewRecorder()}}
	c := New(m, httptest.NewRequest(http.MethodGet, "/", nil), time.Minute)
	c.Hold()
	if _, err := c.Write(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	m.times = 0
	if err := c.Whole(http.StatusOK, []byte("}")); err != nil {
		t.Fatal(err)
	}
	if m.times > 40 {
		t.Errorf("%d deadlines", m.times)
	}
}
