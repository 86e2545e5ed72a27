package plancache

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPersisted(t *testing.T) {
	p, err := NewPersisted(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx := t.Context()
	good := HashQuery("{a}")
	if _, err := p.Resolve(ctx, good, ""); !errors.Is(err, ErrPersistedNotFound) {
		t.Error(err)
	}
	// Nobody can put a text under another's hash.
	p.Add(ctx, good, "{evil}")
	if _, err := p.Resolve(ctx, good, "{evil}"); !errors.Is(err, ErrHashMismatch) {
		t.Error(err)
	}
	if _, ok := p.Get(ctx, good); ok {
		t.Error("it is poisoned")
	}
	if q, err := p.Resolve(ctx, strings.ToUpper(good), "{a}"); q != "{a}" || err != nil {
		t.Errorf("%q, %v", q, err)
	}
	if q, err := p.Resolve(ctx, good, ""); q != "{a}" || err != nil {
		t.Errorf("%q, %v", q, err)
	}
	if q, err := p.Resolve(ctx, "", "{b}"); q != "{b}" || err != nil {
		t.Errorf("%q, %v", q, err)
	}
	// Far more than there is room for: what is new is there, and memory is bounded.
	long := strings.Repeat("x", 1000)
	for i := range 5000 {
		q := fmt.Sprint(i, long)
		p.Add(ctx, HashQuery(q), q)
		if got, ok := p.Get(ctx, HashQuery(q)); !ok || got != q {
			t.Fatalf("%d was just added, and it is not there", i)
		}
	}
	p.texts.main.Wait()
	kept := 0
	for i := range 5000 {
		if _, ok := p.Get(ctx, HashQuery(fmt.Sprint(i, long))); ok {
			kept++
		}
	}
	if kept < 500 || kept > 1100 {
		t.Errorf("%d texts of 1 KB are kept in 1 MB", kept)
	}
}

// A text that was deleted is not found again, also if it has just left the front: ristretto takes it in
// later than it is deleted.
func TestDeletedTextIsGone(t *testing.T) {
	p, err := NewPersisted(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, pad := t.Context(), strings.Repeat("x", 1000)
	inFront := func(hash string) bool {
		p.texts.mu.RLock()
		defer p.texts.mu.RUnlock()
		_, ok := p.texts.front[hash]
		return ok
	}
	for i := range 300 {
		query := fmt.Sprint("{ victim", i, " }")
		hash := HashQuery(query)
		p.Add(ctx, hash, query)
		for j := 0; inFront(hash); j++ {
			filler := fmt.Sprint(i, j, pad)
			p.Add(ctx, HashQuery(filler), filler)
		}
		if err := p.Delete(ctx, hash); err != nil {
			t.Error(err)
		}
		for range 500 {
			if _, ok := p.Get(ctx, hash); ok {
				t.Fatalf("round %d: it is back", i)
			}
		}
	}
}

// Get beside Close is no race, as the race detector sees, and does not panic.
func TestGetWhileClosing(t *testing.T) {
	for range 20 {
		p, err := NewPersisted(1 << 16)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 8 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						p.Get(t.Context(), "x")
					}
				}
			})
		}
		time.Sleep(time.Millisecond) // Some of them look.
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		close(stop)
		wg.Wait()
	}
}

func TestTrusted(t *testing.T) {
	p := NewTrusted(slices.Values([]string{"{a}", "{b}"}))
	defer p.Close()
	for _, c := range []struct {
		hash, query, want string
		err               error
	}{
		{HashQuery("{a}"), "", "{a}", nil}, {"", "{b}", "{b}", nil}, {HashQuery("{b}"), "{b}", "{b}", nil},
		{"", "{c}", "", ErrNotAllowed}, {HashQuery("{c}"), "{c}", "", ErrNotAllowed}, {HashQuery("{c}"), "", "", ErrNotAllowed}, {HashQuery("{a}"), "{c}", "", ErrHashMismatch},
	} {
		if got, err := p.Resolve(t.Context(), c.hash, c.query); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
	}
	p.Add(t.Context(), HashQuery("{c}"), "{c}")
	if _, ok := p.Get(t.Context(), HashQuery("{c}")); ok {
		t.Error("a text was registered")
	}
}
