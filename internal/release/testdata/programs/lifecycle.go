package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/gqlboost/gqlboost/lifecycle"
)

func main() {
	life, err := lifecycle.New(lifecycle.Options{DrainDelay: lifecycle.NoWait})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	answer := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }
	served := make(chan error, 1)
	go func() {
		served <- life.Run(ctx, &http.Server{Handler: life.Handler(http.HandlerFunc(answer))}, listener)
	}()
	for {
		response, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK { // It has started.
			break
		}
	}
	stop()
	if err := <-served; err != nil {
		log.Fatal(err)
	}
	fmt.Println(life.State())
	// Output: closed
}
