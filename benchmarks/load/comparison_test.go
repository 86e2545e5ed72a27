package load

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
)

// Each contender has each place, and each of the others right before it, equally often.
func TestOrderIsBalanced(t *testing.T) {
	for n := 1; n <= 13; n++ {
		rounds, times := n, 1
		if n%2 == 1 {
			rounds, times = 2*n, 2
		}
		places, behind := map[[2]int]int{}, map[[2]int]int{}
		for round := range rounds {
			order := Order(n, round)
			for place, i := range order {
				places[[2]int{i, place}]++
				if place > 0 {
					behind[[2]int{order[place-1], i}]++
				}
			}
			if slices.Sort(order); len(slices.Compact(order)) != n || order[0] != 0 || order[n-1] != n-1 {
				t.Fatalf("%d contenders, round %d: %v", n, round, Order(n, round))
			}
		}
		if len(places) != n*n || len(behind) != n*(n-1) {
			t.Errorf("%d contenders: %d places, %d pairs", n, len(places), len(behind))
		}
		for _, counts := range []map[[2]int]int{places, behind} {
			for pair, count := range counts {
				if count != times {
					t.Errorf("%d contenders: %v %d times, want %d", n, pair, count, times)
				}
			}
		}
	}
}

// A session that goes on with others has the rounds that come next.
func TestTurnsOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // Contenders pause after each other.
		var turns []string
		var list []turn
		for _, name := range []string{"a", "b", "c", "d"} {
			list = append(list, turn{contender{name: name, runs: new(int)}, &turns})
		}
		c, err := CompareFrom(t.Context(), "closed", list, Config{}, 1, 2, nil, io.Discard)
		if want := []string{"b", "c", "a", "d", "c", "d", "b", "a"}; err != nil || !slices.Equal(turns, want) {
			t.Errorf("%v, want %v, %v", turns, want, err)
		}
		for _, round := range c.Rounds {
			for i, r := range round {
				if r.Server != list[i].name {
					t.Errorf("the result of %s is that of %s", list[i].name, r.Server)
				}
			}
		}
	})
}

// turn notes when a contender is measured.
type turn struct {
	contender
	turns *[]string
}

func (c turn) Measure(ctx context.Context, config Config, log io.Writer) (*Result, error) {
	*c.turns = append(*c.turns, c.name)
	return c.contender.Measure(ctx, config, log)
}
