package plancache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

func TestResults(t *testing.T) {
	r, err := NewResults(1<<20, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var fills atomic.Int64
	load := func(user string, fill func()) string {
		t.Helper()
		data, err := r.Load(t.Context(), ResultKey{Query: "{me}", Variables: []byte("{}"), Extra: user}, func(context.Context) ([]byte, []string, error) {
			n := fills.Add(1)
			if fill != nil {
				fill()
			}
			return fmt.Append(nil, user, n), []string{"user:" + user, "all"}, nil
		})
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	for range 3 {
		if a, b := load("a", nil), load("b", nil); a != "a1" || b != "b2" {
			t.Errorf("got %q, %q", a, b)
		}
	}
	r.Invalidate("user:a")
	if a, b := load("a", nil), load("b", nil); a != "a3" || b != "b2" {
		t.Errorf("got %q, %q", a, b)
	}
	r.Invalidate("all")
	if a, b := load("a", nil), load("b", nil); a != "a4" || b != "b5" {
		t.Errorf("got %q, %q", a, b)
	}
	// What is invalidated while it is made is given to who asked before, and not kept.
	r.Invalidate("user:a")
	if a := load("a", func() { r.Invalidate("user:a") }); a != "a6" {
		t.Errorf("got %q", a)
	}
	if a := load("a", nil); a != "a7" {
		t.Errorf("got %q", a)
	}
	if _, ok := r.Get(ResultKey{Query: "{me}", Variables: []byte("{}")}); ok {
		t.Error("a result of nobody")
	}
	if _, err := r.Load(t.Context(), ResultKey{}, func(context.Context) ([]byte, []string, error) { panic("no") }); err == nil {
		t.Error("no error")
	}
	var wg sync.WaitGroup
	before := fills.Load()
	for range 50 {
		wg.Go(func() { load("c", func() { time.Sleep(20 * time.Millisecond) }) })
	}
	wg.Wait()
	if n := fills.Load() - before; n != 1 {
		t.Errorf("%d fills", n)
	}
	for i := range maxTags + 1 {
		r.Invalidate(fmt.Sprint("tag", i))
	}
	if len(r.tags) > maxTags {
		t.Errorf("%d tags are remembered", len(r.tags))
	}
	if _, ok := r.Get(ResultKey{Query: "{me}", Variables: []byte("{}"), Extra: "c"}); ok {
		t.Error("it is older than the tags that are remembered")
	}
	big := bytes.Repeat([]byte("x"), 10_000)
	for i := range 1000 {
		key := ResultKey{Query: fmt.Sprint(i)}
		if _, err := r.Load(t.Context(), key, func(context.Context) ([]byte, []string, error) { return big, nil, nil }); err != nil {
			t.Error(err)
		}
		if _, ok := r.Get(key); !ok {
			t.Fatalf("result %d is not there", i)
		}
	}
}
