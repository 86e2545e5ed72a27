package plancache

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func saved(t testing.TB) (*Cache[string], []byte) {
	t.Helper()
	c := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}})
	for i := range 20 {
		c.Add(t.Context(), Key{query(i), "op", "extra"}, query(i)+" planned")
		for range i {
			c.Get(t.Context(), Key{query(i), "op", "extra"})
		}
	}
	var b bytes.Buffer
	if err := c.Save(&b); err != nil {
		t.Fatal(err)
	}
	return c, b.Bytes()
}

func TestSaveAndRestore(t *testing.T) {
	c, data := saved(t)
	path := filepath.Join(t.TempDir(), "plans")
	if err := c.SaveFile(path); err != nil {
		t.Fatal(err)
	}
	for name, restore := range map[string]func(*Cache[string]) (int, error){
		"reader": func(c *Cache[string]) (int, error) { return c.Restore(bytes.NewReader(data)) },
		"file":   func(c *Cache[string]) (int, error) { return c.RestoreFile(path) },
		"mapped": func(c *Cache[string]) (int, error) { return c.RestoreMapped(mappedBytes(data)) },
	} {
		d := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}})
		d.Add(t.Context(), Key{query(1), "op", "extra"}, "newer")
		if n, err := restore(d); n != 19 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		for i := range 20 {
			want := query(i) + " planned"
			if i == 1 {
				want = "newer"
			}
			if got, _ := d.Get(t.Context(), Key{query(i), "op", "extra"}); got != want {
				t.Errorf("%s: got %q", name, got)
			}
		}
		if hot := d.Hot(1); hot[0].Uses < 20 || !strings.HasPrefix(hot[0].Signature, "query Q19") {
			t.Errorf("%s: %+v", name, hot)
		}
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	other := newTest(t, Options[string]{Schema: "2", Codec: jsonCodec[string]{}})
	if n, err := other.Restore(bytes.NewReader(data)); n != 0 || !errors.Is(err, ErrSchema) {
		t.Errorf("for another schema: %d, %v", n, err)
	}
	// Without plans the queries are there to be built again.
	keys, err := Queries(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if list := slices.Collect(keys); len(list) != 20 || list[0].Query != query(19) {
		t.Errorf("got %d keys", len(list))
	}
	built, err := other.Warm(t.Context(), keys, func(ctx context.Context, k Key) (string, error) {
		if k.Query == query(4) {
			return "", errors.New("refused")
		}
		return SchemaVersion(ctx), nil
	})
	if built != 19 || err == nil || !strings.Contains(err.Error(), "refused") || other.Len() != 19 {
		t.Errorf("%d built, %v, %d are there", built, err, other.Len())
	}
	if _, err := newTest(t, Options[string]{}).Restore(bytes.NewReader(data)); !errors.Is(err, ErrNoCodec) {
		t.Errorf("without a codec: %v", err)
	}
}

// Restore counts what has come in: a key that is in the file twice does so once.
func TestRestoreCounts(t *testing.T) {
	r := encodeRecord(record{key: Key{Query: "q"}, plan: []byte(`"plan"`)})
	data := append([]byte(magic), 1, '1', 0, 2) // the schema, no version of plans, two records
	data = append(append(data, r...), r...)
	data = binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
	c := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}})
	if n, err := c.Restore(bytes.NewReader(data)); n != 1 || err != nil || c.Len() != 1 {
		t.Errorf("%d restored, %v, %d are there", n, err, c.Len())
	}
}

// A Reader that returns nothing, again and again, is an error.
func TestRestoreFromAReaderWithoutProgress(t *testing.T) {
	_, data := saved(t)
	c := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}})
	r := io.MultiReader(bytes.NewReader(data[:len(data)/2]), stuck{})
	if n, err := c.Restore(r); n != 0 || !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%d restored, %v", n, err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

type mappedBytes []byte

func (m mappedBytes) Len() int { return len(m) }
func (m mappedBytes) View(offset, n int, read func([]byte) error) error {
	return read(m[offset : offset+n])
}

// Every cut and every changed byte is noticed, and nothing is restored then.
func TestDamagedFiles(t *testing.T) {
	_, data := saved(t)
	c := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}})
	try := func(what string, at int, data []byte) {
		if n, err := c.Restore(bytes.NewReader(data)); n != 0 || !errors.Is(err, ErrFormat) || c.Len() != 0 {
			t.Fatalf("%s at %d: %d restored, %v", what, at, n, err)
		}
	}
	for i := range data {
		try("cut", i, data[:i])
		changed := bytes.Clone(data)
		changed[i] ^= 1 << (i % 8)
		try("changed", i, changed)
	}
	try("longer", 0, append(bytes.Clone(data), 0))
	broken := errors.New("broken")
	if n, err := c.Restore(io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(broken))); n != 0 || !errors.Is(err, broken) || errors.Is(err, ErrFormat) {
		t.Errorf("from a broken reader: %d, %v", n, err)
	}
}

// Data with a right sum and anything in it ends in an error, or in plans.
func FuzzRestore(f *testing.F) {
	_, data := saved(f)
	f.Add(data[len(magic) : len(data)-4])
	f.Add([]byte("\x011\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, body []byte) {
		data := append([]byte(magic), body...)
		data = binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
		c := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}})
		n, err := c.Restore(bytes.NewReader(data))
		if err != nil && (n != 0 || c.Len() != 0) {
			t.Errorf("%d restored, %v", n, err)
		}
		if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrSchema) {
			t.Errorf("it fails with %v", err)
		}
		// Wherever the pieces end that it comes in, the same is read.
		m, again := newTest(t, Options[string]{Schema: "1", Codec: jsonCodec[string]{}}).Restore(iotest.OneByteReader(bytes.NewReader(data)))
		if m != n || fmt.Sprint(again) != fmt.Sprint(err) {
			t.Errorf("%d restored, %v; and %d, %v", n, err, m, again)
		}
	})
}

func TestManifest(t *testing.T) {
	keys, err := Manifest(strings.NewReader(`{"query":"a","weight":1}

{"query":"b","operation":"o","extra":"e","weight":2.5}
{"query":"c"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(keys); !slices.Equal(got, []Key{{"b", "o", "e"}, {Query: "a"}, {Query: "c"}}) {
		t.Errorf("got %v", got)
	}
	for _, bad := range []string{
		`{"query":""}`, `{"query":"a"} {"query":"b"}`, `{"query":"a"}}`, `{"query":"a"}]`, `{"quer":"a"}`, `[`,
		"{\"query\":\"a\"}\nx",
	} {
		if _, err := Manifest(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestWarmEndsWithItsContext(t *testing.T) {
	c := newTest(t, Options[int]{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	keys := func(yield func(Key) bool) {
		for i := 0; yield(Key{Query: query(i)}); i++ {
		}
	}
	if _, err := c.Warm(ctx, keys, func(context.Context, Key) (int, error) { time.Sleep(time.Millisecond); return 1, nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A sequence of queries that panics leaves no goroutine behind.
func TestWarmPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTest(t, Options[int]{})
		func() {
			defer func() {
				if v := recover(); v != "no more" {
					t.Errorf("got %v", v)
				}
			}()
			keys := func(yield func(Key) bool) { yield(Key{Query: "q"}); panic("no more") }
			_, _ = c.Warm(t.Context(), keys, func(context.Context, Key) (int, error) { return 1, nil })
		}()
		synctest.Wait()
		if _, ok := c.Get(t.Context(), Key{Query: "q"}); !ok {
			t.Error("what came before is not built")
		}
	})
}
