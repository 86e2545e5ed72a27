package arena

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/internal/race"
)

type node struct {
	name     string
	children []*node
	value    any
}

// build makes a tree in the arena and walk reads it back as text.
func build(a *Arena, depth, width int, prefix string) *node {
	n := Alloc[node](a)
	n.name = a.String([]byte(prefix))
	number := Alloc[int](a)
	*number = len(prefix)
	n.value = number
	if depth > 0 {
		n.children = Slice[*node](a, 0, width/2)
		for i := range width {
			n.children = Append(a, n.children, build(a, depth-1, width, fmt.Sprint(prefix, ".", i)))
		}
	}
	return n
}

func walk(n *node) string {
	var b strings.Builder
	fmt.Fprint(&b, n.name, "=", *n.value.(*int), "(")
	for _, c := range n.children {
		b.WriteString(walk(c))
	}
	return b.String() + ")"
}

// The garbage collector must find whatever an arena's values point to, and the
// values must not overlap, over many lives of the same memory.
func TestTreesSurviveCollections(t *testing.T) {
	var want string
	for round := range 20 {
		a := New()
		tree := build(a, 4, 5, "root")
		runtime.GC()
		got := walk(tree)
		if round == 0 {
			want = got
		}
		if got != want {
			t.Fatalf("round %d: the tree has changed:\n%.200s\n%.200s", round, got, want)
		}
		if a.Stats().Heaped != 0 {
			t.Error("a small tree went to the heap")
		}
		a.Free()
	}
}

func TestAllocIsZeroAfterReset(t *testing.T) {
	a := New()
	defer a.Free()
	for range 3 {
		for i := range 500 {
			n := Alloc[node](a)
			if n.name != "" || n.children != nil || n.value != nil {
				t.Fatal("not zero:", *n)
			}
			n.name, n.value = "x", i
			words := Slice[uint64](a, 3, 7)
			for _, w := range words[:7] {
				if w != 0 {
					t.Fatal("not zero:", words[:7])
				}
			}
			for j := range words[:7] {
				words[:7][j] = ^uint64(0)
			}
		}
		a.Reset()
		if used := a.Stats().Used; used != 0 {
			t.Fatal("used after Reset:", used)
		}
	}
}

func TestManyTypesOfOneSize(t *testing.T) {
	type a1 struct{ p *int }
	type a2 struct{ u uintptr }
	type a3 struct{ f float64 }
	a := New()
	defer a.Free()
	for range 1000 {
		p, u, f, c := Alloc[a1](a), Alloc[a2](a), Alloc[a3](a), Alloc[chan int](a)
		p.p, u.u, f.f, *c = new(int), 1, 2, make(chan int)
		if u.u != 1 || f.f != 2 {
			t.Fatal("values overlap")
		}
	}
	if empty := Alloc[struct{}](a); empty == nil {
		t.Error("nil for an empty struct")
	}
	if many := Slice[struct{}](a, 5, 1<<20); len(many) != 5 {
		t.Error("a slice of empty structs has length", len(many))
	}
}

func TestSlice(t *testing.T) {
	a := New()
	defer a.Free()
	s := Slice[int](a, 2, 4)
	other := Slice[int](a, 4, 4)
	s = append(s, 1, 2)
	if &s[:4][0] != &s[0] || other[0] != 0 {
		t.Error("appending within the capacity reached a neighbour:", other)
	}
	if s = append(s, 3); s[4] != 3 || other[0] != 0 {
		t.Error("appending beyond the capacity reached a neighbour:", other)
	}
	if got := Slice[int](a, 0, 0); got == nil || len(got) != 0 {
		t.Error("an empty slice is", got)
	}
	large := Slice[byte](a, 1<<20, 1<<20) // More than a chunk.
	if len(large) != 1<<20 || large[1<<20-1] != 0 {
		t.Error("a large slice has length", len(large))
	}
	for _, bad := range [][2]int{{-1, 3}, {4, 3}, {1, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Slice(%v) did not panic as make does", bad)
				}
			}()
			Slice[int](a, bad[0], bad[1])
		}()
	}
}

func TestAppendGrowsInPlace(t *testing.T) {
	a := New()
	defer a.Free()
	s := Append[int](a, nil, 1)
	for i := 2; i <= 100; i++ {
		s = Append(a, s, i)
	}
	for i, v := range s {
		if v != i+1 {
			t.Fatal("appended values:", s)
		}
	}
	// Alone in its chunk the slice is extended, not copied.
	if used := a.Stats().Used; used > 2*100*8 {
		t.Errorf("100 ints used %d bytes", used)
	}
	neighbour := Slice[int](a, 1, 1)
	s = Append(a, s[:len(s):len(s)], 101)
	neighbour[0] = -1
	if s[100] != 101 || s[0] != 1 {
		t.Error("a neighbour was overwritten:", s[100])
	}
	heap := []int{1, 2}
	if got := Append(a, heap, 3); !reflect.DeepEqual(got, []int{1, 2, 3}) {
		t.Error("append to a heap slice:", got)
	}
}

func TestBytesAndStrings(t *testing.T) {
	a := New()
	defer a.Free()
	source := []byte("héllo")
	s, b := a.String(source), a.Bytes(source)
	source[0] = 'X'
	if s != "héllo" || string(b) != "héllo" || cap(b) != len(b) {
		t.Errorf("%q %q cap %d", s, b, cap(b))
	}
	if a.String(nil) != "" || len(a.Bytes(nil)) != 0 {
		t.Error("empty input")
	}
}

func TestLimitSendsTheRestToTheHeap(t *testing.T) {
	a := New()
	defer a.Free()
	Slice[int](a, 100_000, 100_000) // From an earlier life.
	a.Reset()
	a.SetLimit(32 << 10)
	var list []*node
	for i := range 5000 {
		n := Alloc[node](a)
		n.name = a.String(fmt.Append(nil, i))
		n.children = Slice[*node](a, 1, 2)
		list = append(list, n)
	}
	for i, n := range list {
		if n.name != fmt.Sprint(i) {
			t.Fatalf("node %d is named %s", i, n.name)
		}
	}
	s := a.Stats()
	if s.Taken > 32<<10 || s.Used > s.Taken || s.Used < 16<<10 || s.Heaped == 0 {
		t.Errorf("limit 32 KiB: %+v", s)
	}
}

func TestFree(t *testing.T) {
	quiet(t)
	(*Arena)(nil).Free()
	a := New()
	Slice[byte](a, poolLimit+1, poolLimit+1)
	dropped := counters.dropped.Load()
	a.Free()
	a.Free()
	if counters.dropped.Load() != dropped+1 {
		t.Error("a large arena was kept, or freed twice")
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops values under the race detector")
	}
	a := New()
	defer a.Free()
	text := []byte("some text")
	round := func() {
		for range 200 {
			n := Alloc[node](a)
			n.name = a.String(text)
			n.children = Append(a, Slice[*node](a, 0, 1), n, n)
		}
		a.Reset()
	}
	round()
	if !debugBuild && testing.AllocsPerRun(20, round) != 0 {
		t.Error("a used arena allocates")
	}
}

func TestArenasInParallel(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 50 {
				a := New()
				if got := walk(build(a, 2, 3, fmt.Sprint("g", g))); strings.Count(got, fmt.Sprint("g", g)) != 13 {
					t.Errorf("another goroutine's values: %s", got)
				}
				a.Free()
			}
		})
	}
	wg.Wait()
}

// FuzzArena runs a random program on an arena and on plain values.
func FuzzArena(f *testing.F) {
	f.Add([]byte("aasSbBggrAAaaXr"), uint16(100))
	f.Add([]byte("AAAAAAAAAAAArAAAAAAAA"), uint16(5000))
	f.Fuzz(func(t *testing.T, program []byte, size uint16) {
		a := New()
		defer a.Free()
		a.SetLimit(int64(size) * 64)
		type pair struct {
			p    *int
			text string
		}
		var inArena, plain []pair
		var grown, expected []int
		for i, op := range program {
			n := (int(op)*31 + i) % (int(size) + 1)
			switch op % 5 {
			case 0:
				v := Alloc[int](a)
				if *v != 0 {
					t.Fatal("Alloc returned", *v)
				}
				*v = n
				copied := n
				inArena, plain = append(inArena, pair{p: v}), append(plain, pair{p: &copied})
			case 1:
				text := strings.Repeat(string(rune('a'+n%26)), n%300)
				zero := 0
				inArena, plain = append(inArena, pair{p: Alloc[int](a), text: a.String([]byte(text))}), append(plain, pair{&zero, text})
			case 2:
				grown, expected = Append(a, grown, n, i), append(expected, n, i)
			case 3:
				for _, v := range Slice[uint32](a, n, n+3)[:n+3] {
					if v != 0 {
						t.Fatal("Slice is not zero")
					}
				}
			case 4:
				if !reflect.DeepEqual(inArena, plain) || !reflect.DeepEqual(grown, expected) {
					t.Fatal("the arena's values differ")
				}
				a.Reset()
				inArena, plain, grown, expected = nil, nil, nil, nil
			}
		}
		if !reflect.DeepEqual(inArena, plain) || len(grown) != len(expected) || len(grown) > 0 && !reflect.DeepEqual(grown, expected) {
			t.Fatal("the arena's values differ")
		}
	})
}
