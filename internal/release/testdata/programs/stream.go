package main

import (
	"log"
	"os"

	"github.com/gqlboost/gqlboost/stream"
)

func main() {
	w := stream.NewWriter(os.Stdout, stream.Options{})
	w.BeginObject()
	w.Name("id")
	w.Int(1)
	w.EndObject()
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: {"id":1}
}
