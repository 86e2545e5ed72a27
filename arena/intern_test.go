package arena

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

func TestInternerReturnsTheSameString(t *testing.T) {
	var i Interner
	for _, text := range []string{"", "id", "createdAt", "名前", "a\x00b", strings.Repeat("x", 128)} {
		a, b, c := i.Bytes([]byte(text)), i.Bytes([]byte(text)), i.String(strings.Clone(text))
		if a != text || b != text || c != text {
			t.Errorf("%q became %q, %q, %q", text, a, b, c)
		}
		if unsafe.StringData(a) != unsafe.StringData(b) || unsafe.StringData(a) != unsafe.StringData(c) {
			t.Errorf("%q was allocated again", text)
		}
	}
	long := strings.Repeat("y", 129)
	if i.Bytes([]byte(long)) != long || i.String(long) != long || i.Stats().Entries != 6 {
		t.Error("a long string:", i.Stats())
	}
}

func TestInternerDoesNotKeepTheCallersBytes(t *testing.T) {
	var i Interner
	b := []byte("name")
	s := i.Bytes(b)
	b[0] = 'X'
	if s != "name" || i.Bytes([]byte("name")) != "name" {
		t.Error("interned string changed to", s)
	}
}

func TestInternerHitsAllocateNothing(t *testing.T) {
	var i Interner
	b := []byte("createdAt")
	i.Bytes(b)
	if n := testing.AllocsPerRun(100, func() { i.Bytes(b); i.String("createdAt") }); n != 0 {
		t.Error(n, "allocations")
	}
}

func TestInternerIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	i := Interner{MaxEntries: 256, MaxBytes: 4096, MaxLength: 64}
	hot := make([][]byte, 40)
	first := make([]string, len(hot))
	for n := range hot {
		hot[n] = fmt.Appendf(nil, "field%d", n)
		first[n] = i.Bytes(hot[n])
	}
	kept := 0
	for n := range 50_000 {
		made := fmt.Appendf(nil, "made up by an attacker %d", n)
		if got := i.Bytes(made); got != string(made) {
			t.Fatalf("%q became %q", made, got)
		}
		h := n % len(hot)
		got := i.Bytes(hot[h])
		if got != string(hot[h]) {
			t.Fatalf("%q became %q", hot[h], got)
		}
		if unsafe.StringData(got) == unsafe.StringData(first[h]) {
			kept++
		}
		first[h] = got
		if s := i.Stats(); s.Entries > 256 || s.Bytes > 4096 || s.Bytes < 0 {
			t.Fatalf("stats: %+v", s)
		}
	}
	if share := float64(kept) / 50_000; share < 0.9 {
		t.Errorf("only %.0f %% of the hot lookups were hits under attack", 100*share)
	}
	if s := i.Stats(); s.Evictions == 0 || s.Misses == 0 {
		t.Errorf("stats: %+v", s)
	}
}

// However many entries are allowed, the table is no larger than the bytes need.
func TestInternerWithAnyNumberOfEntries(t *testing.T) {
	for i, want := range map[*Interner]int{
		{MaxEntries: math.MaxInt}: 1 << 20, {MaxEntries: math.MaxInt/2 + 1}: 1 << 20,
		{MaxEntries: 1 << 29, MaxBytes: 100}: 128, {MaxEntries: 100, MaxBytes: math.MaxInt}: 128,
	} {
		text := i.String("name")
		if got := i.Bytes([]byte("name")); unsafe.StringData(got) != unsafe.StringData(text) {
			t.Errorf("%d entries: it is not kept", i.MaxEntries)
		}
		if n := len(i.table.Load().sets) * ways; n != want {
			t.Errorf("%d entries: a table of %d, want %d", i.MaxEntries, n, want)
		}
	}
}

// A string that can never be kept drives out no others.
func TestInternerOfLessThanItsMaxLength(t *testing.T) {
	i := Interner{MaxBytes: 10, MaxLength: 100}
	text := i.String("name")
	i.String("more than ten bytes")
	if got := i.String("name"); unsafe.StringData(got) != unsafe.StringData(text) || i.Stats().Evictions != 0 {
		t.Errorf("it is not kept: %+v", i.Stats())
	}
}

func TestInternerInParallel(t *testing.T) {
	i := Interner{MaxEntries: 64}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 20_000 {
				want := fmt.Sprint("key", (n*(g+1))%300)
				if got := i.Bytes([]byte(want)); got != want {
					t.Errorf("%q became %q", want, got)
				}
			}
		})
	}
	wg.Wait()
	if s := i.Stats(); s.Entries > 64 {
		t.Errorf("stats: %+v", s)
	}
}
