package arena

import (
	"runtime"
	"testing"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/ortuman/nuke"
)

const nodes = 10_000

type node struct {
	name     string
	children []*node
	value    any // a *int64
}

var names = [][]byte{[]byte("id"), []byte("createdAt"), []byte("a longer field name of a node"), []byte("title")}

// A tree has its nodes in the order of a heap: node i has the children 4i+1 to
// 4i+4. Each implementation builds it with plain code of its own, as its users
// would: generic code would cost more than what it calls.
func childrenOf(i int) (first, end int) { return 4*i + 1, min(4*i+5, nodes) }

func onHeap(i int) *node {
	n := new(node)
	n.name = string(names[i&3])
	number := new(int64)
	*number = int64(i)
	n.value = number
	if first, end := childrenOf(i); first < end {
		n.children = make([]*node, end-first)
		for child := range n.children {
			n.children[child] = onHeap(first + child)
		}
	}
	return n
}

func inArena(a *arena.Arena, i int) *node {
	n := arena.Alloc[node](a)
	n.name = a.String(names[i&3])
	number := arena.Alloc[int64](a)
	*number = int64(i)
	n.value = number
	if first, end := childrenOf(i); first < end {
		n.children = arena.Slice[*node](a, end-first, end-first)
		for child := range n.children {
			n.children[child] = inArena(a, first+child)
		}
	}
	return n
}

// inNuke uses nuke as its documentation shows. It hands out memory that the
// garbage collector does not scan, so a tree is safe in it only because all of
// its parts are in the same arena, which stays alive.
func inNuke(a nuke.Arena, i int) *node {
	n := nuke.New[node](a)
	n.name = bytesToString(append(nuke.MakeSlice[byte](a, 0, len(names[i&3])), names[i&3]...))
	number := nuke.New[int64](a)
	*number = int64(i)
	n.value = number
	if first, end := childrenOf(i); first < end {
		n.children = nuke.MakeSlice[*node](a, end-first, end-first)
		for child := range n.children {
			n.children[child] = inNuke(a, first+child)
		}
	}
	return n
}

func sum(n *node) int64 {
	total := *n.value.(*int64) + int64(len(n.name))
	for _, c := range n.children {
		total += sum(c)
	}
	return total
}

// BenchmarkTree builds, walks and releases trees, on one core (where the
// collector has the other one to itself) and on all, as a busy server does.
func BenchmarkTree(b *testing.B) {
	want := sum(onHeap(0))
	for _, c := range []struct {
		name string
		make func() func() int64
	}{
		{"gqlboost", func() func() int64 {
			return func() int64 {
				a := arena.New()
				defer a.Free()
				return sum(inArena(a, 0))
			}
		}},
		{"heap", func() func() int64 { return func() int64 { return sum(onHeap(0)) } }},
		{"nuke", func() func() int64 {
			a := nuke.NewMonotonicArena(256<<10, 80)
			return func() int64 {
				defer a.Reset(false)
				return sum(inNuke(a, 0))
			}
		}},
	} {
		measure := func(name string, loop func(b *testing.B)) {
			b.Run("mode="+name+"/impl="+c.name, func(b *testing.B) {
				b.ReportAllocs()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				loop(b)
				runtime.ReadMemStats(&after)
				b.ReportMetric(10_000*float64(after.NumGC-before.NumGC)/float64(b.N), "gc/10ktrees")
			})
		}
		measure("serial", func(b *testing.B) {
			run := c.make()
			for b.Loop() {
				if got := run(); got != want {
					b.Fatalf("the tree sums up to %d, want %d", got, want)
				}
			}
		})
		measure("parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				run := c.make()
				for pb.Next() {
					if got := run(); got != want {
						b.Errorf("the tree sums up to %d, want %d", got, want)
					}
				}
			})
		})
	}
}
