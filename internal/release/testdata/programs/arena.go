package main

import (
	"fmt"

	"github.com/gqlboost/gqlboost/arena"
)

func main() {
	defer arena.TuneGC(arena.GCOptions{})()
	a := arena.New()
	defer a.Free()
	fmt.Println(arena.Append(a, []int(nil), 1, 2, 3))
	// Output: [1 2 3]
}
