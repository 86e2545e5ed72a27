// Package leasetest tests stores of the pool's leases: what each pool.LeaseStore must do.
package leasetest

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// Store is a pool.LeaseStore, whose package tests with this one.
type Store interface {
	Update(ctx context.Context, fleet string, change func(value []byte, now time.Time) ([]byte, error)) error
}

// Run tests a store. Each call of connect returns one for the same values, as another process would have it.
func Run(t *testing.T, connect func(t *testing.T) Store) {
	for _, one := range []struct {
		name string
		test func(*testing.T, func(*testing.T) Store)
	}{
		{"Keeps", testKeeps},
		{"Fails", testFails},
		{"Together", testTogether},
		{"Ended", testEnded},
	} {
		t.Run(one.name, func(t *testing.T) { one.test(t, connect) })
	}
}

func read(t *testing.T, s Store, fleet string) (value string) {
	t.Helper()
	err := s.Update(t.Context(), fleet, func(v []byte, _ time.Time) ([]byte, error) {
		value = string(v)
		return v, nil
	})
	if err != nil {
		t.Errorf("%.40q: %v", fleet, err)
	}
	return value
}

func write(ctx context.Context, s Store, fleet, value string) error {
	return s.Update(ctx, fleet, func([]byte, time.Time) ([]byte, error) { return []byte(value), nil })
}

// Any bytes are kept for each fleet, whatever its name is, and another process finds them.
func testKeeps(t *testing.T, connect func(*testing.T) Store) {
	var all strings.Builder
	for i := range 256 {
		all.WriteByte(byte(i))
	}
	values := map[string]string{
		"a": all.String(), "b": "{}", "{b}": "1", "{": "2", "}{": "3", "é'\";--%s 🐘": "4", strings.Repeat("x", 200): "5",
		"large": strings.Repeat("\xff\x00", 500_000),
	}
	one, other := connect(t), connect(t)
	for fleet, value := range values {
		if got := read(t, one, fleet); got != "" {
			t.Errorf("%.40q begins with %.40q", fleet, got)
		}
		if err := write(t.Context(), one, fleet, value); err != nil {
			t.Errorf("%.40q: %v", fleet, err)
		}
	}
	for fleet, value := range values {
		if got := read(t, other, fleet); got != value {
			t.Errorf("%.40q: %d bytes, not %d", fleet, len(got), len(value))
		}
	}
}

// An error of change is returned, and nothing is stored.
func testFails(t *testing.T, connect func(*testing.T) Store) {
	s := connect(t)
	if err := write(t.Context(), s, "fails", "before"); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	err := s.Update(t.Context(), "fails", func([]byte, time.Time) ([]byte, error) { return []byte("after"), failed })
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if got := read(t, connect(t), "fails"); got != "before" {
		t.Errorf("it has stored %q", got)
	}
}

// No change is lost where many processes change a value at the same time, and the store's time goes on
// from each to the next.
func testTogether(t *testing.T, connect func(*testing.T) Store) {
	const processes, each = 8, 25
	var all sync.WaitGroup
	for range processes {
		s := connect(t)
		all.Go(func() {
			for range each {
				err := s.Update(t.Context(), "together", func(v []byte, now time.Time) ([]byte, error) {
					var count, last uint64
					if len(v) == 16 {
						count, last = binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])
					}
					if at := uint64(now.UnixMicro()); at < last {
						t.Errorf("change %d is %d us before the one before it", count, last-at)
					}
					return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, count+1), uint64(now.UnixMicro())), nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := read(t, connect(t), "together"); len(got) != 16 || binary.BigEndian.Uint64([]byte(got)) != processes*each {
		t.Errorf("%x after %d changes", got, processes*each)
	}
}

// After its context has ended, a call fails and changes nothing.
func testEnded(t *testing.T, connect func(*testing.T) Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := write(ctx, connect(t), "ended", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := read(t, connect(t), "ended"); got != "" {
		t.Errorf("it has stored %q", got)
	}
}
