package plancache

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// After Close nothing pretends to have worked; above all, SaveFile keeps the plans that were
// saved before.
func TestUseAfterClose(t *testing.T) {
	ctx := t.Context()
	c, err := New(Options[string]{Codec: textCodec{}})
	if err != nil {
		t.Fatal(err)
	}
	c.Add(ctx, Key{Query: "a"}, "plan")
	file := filepath.Join(t.TempDir(), "plans")
	if err := c.SaveFile(file); err != nil {
		t.Fatal(err)
	}
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	build := func(context.Context, Key) (string, error) { return "plan", nil }
	_, warmed := c.Warm(ctx, slices.Values([]Key{{Query: "a"}}), build)
	_, restored := c.RestoreFile(file)
	for name, err := range map[string]error{
		"Save": c.Save(&bytes.Buffer{}), "SaveFile": c.SaveFile(file), "Warm": warmed, "RestoreFile": restored,
		"SetSchema": c.SetSchema(ctx, "2", Switch[string]{}),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, saved) {
		t.Errorf("the file has changed: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("there are %d files: %v", len(entries), err)
	}
}

type textCodec struct{}

func (textCodec) Encode(s string) ([]byte, error) { return []byte(s), nil }
func (textCodec) Decode(b []byte) (string, error) { return string(b), nil }

func TestPersistedAfterClose(t *testing.T) {
	ctx := t.Context()
	p, err := NewPersisted(0)
	if err != nil {
		t.Fatal(err)
	}
	before, after := HashQuery("before"), HashQuery("after")
	p.Add(ctx, before, "before")
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
	p.Add(ctx, after, "after")
	for _, hash := range []string{before, after} {
		if text, ok := p.Get(ctx, hash); ok {
			t.Errorf("Get returned %q", text)
		}
	}
}

func TestNegativeNumbers(t *testing.T) {
	if _, err := NewPersisted(-1); err == nil {
		t.Error("a store of -1 bytes was made")
	}
	c, err := New(Options[int]{})
	if err != nil {
		t.Fatal(err)
	}
	c.Add(t.Context(), Key{Query: "a"}, 1)
	if hot, slow := c.Hot(-1), c.Slow(-1); len(hot)+len(slow) != 0 {
		t.Errorf("Hot and Slow of -1 returned %v and %v", hot, slow)
	}
}

// What is nil is an error, not a panic.
func TestNil(t *testing.T) {
	c, err := New(Options[int]{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var none context.Context
	key, keys := Key{Query: "a"}, slices.Values([]Key{{Query: "a"}})
	one := func(context.Context) (int, error) { return 1, nil }
	build := func(context.Context, Key) (int, error) { return 1, nil }
	_, loaded := c.Load(none, key, one)
	_, unbuilt := c.Load(t.Context(), key, nil)
	_, warmed := c.Warm(none, keys, build)
	_, cold := c.Warm(t.Context(), keys, nil)
	_, empty := c.Warm(t.Context(), nil, build)
	r, err := NewResults(ResultsOptions{Bytes: 1 << 20, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := OpenPersisted(PersistedOptions{Invalidator: &airwaves{}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	fill := func(context.Context) ([]byte, []string, error) { return nil, nil, nil }
	_, filled := r.Load(none, ResultKey{}, fill)
	_, unfilled := r.Load(t.Context(), ResultKey{}, nil)
	for i, err := range []error{
		loaded, unbuilt, warmed, cold, empty, c.SetSchema(none, "2", Switch[int]{}), c.Delete(none, key),
		c.InvalidateSchema(none, "2"), filled, unfilled, r.Invalidate(none, "a"), r.Delete(none, ResultKey{}),
		r.InvalidateSchema(none, "2"), p.Delete(none, HashQuery("a")),
	} {
		if err == nil {
			t.Errorf("%d: no error", i)
		}
	}
	c.Add(none, key, 2)
	if plan, ok := c.Get(none, key); !ok || plan != 2 {
		t.Errorf("Get returned %v, %v", plan, ok)
	}
}
