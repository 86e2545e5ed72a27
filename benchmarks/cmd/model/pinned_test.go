package main

import (
	"context"
	"errors"
	"reflect"
	"testing"
)

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		cores  []int
		want   [2]place
		shared bool // in the run on two cores
		err    bool
	}{
		{nil, [2]place{}, false, true},
		{[]int{3}, [2]place{}, false, true},
		{[]int{0, 1}, [2]place{{[]int{0}, []int{1}}, {[]int{0, 1}, []int{0, 1}}}, true, false},
		{[]int{2, 5, 7}, [2]place{{[]int{2}, []int{7}}, {[]int{2, 5}, []int{7}}}, false, false},
		{[]int{0, 1, 2, 3}, [2]place{{[]int{0}, []int{2, 3}}, {[]int{0, 1}, []int{2, 3}}}, false, false},
	} {
		got, err := placesOn(c.cores)
		if (err != nil) != c.err || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %v, %v", c.cores, got, err)
		}
		if err == nil && (got[0].shared() || got[1].shared() != c.shared) {
			t.Errorf("%v: shared %v, %v", c.cores, got[0].shared(), got[1].shared())
		}
	}
}

func TestUntil(t *testing.T) {
	asked := 0
	later := func(context.Context) (int, error) {
		asked++
		return asked, errors.New("not yet")
	}
	if err := until(t.Context(), "somebody", later, 3); err != nil || asked != 3 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := until(ctx, "somebody", later, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
