package main

import (
	"fmt"
	"log"

	"github.com/gqlboost/gqlboost/simdjson"
)

func main() {
	request, err := simdjson.DecodeRequest([]byte(`{"query":"{ me { name } }"}`))
	if err != nil {
		log.Fatal(err)
	}
	defer request.Close()
	fmt.Println(len(request.Operations()), simdjson.Valid([]byte(`{"a":}`)))
	// Output: 1 false
}
