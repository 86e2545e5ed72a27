package main

import (
	"fmt"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compile"
)

func main() {
	fmt.Println(compile.New().Name())
	// Output: gqlboost-compile
}
