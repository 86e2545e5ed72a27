package lifecycle_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/gqlboost/gqlboost/lifecycle"
)

// A server with a component, whose handler sheds requests and whose probes have a path each.
func Example() {
	life, err := lifecycle.New(lifecycle.Options{
		DrainDelay: lifecycle.NoWait, // There is no balancer.
		OnState:    func(s lifecycle.State) { fmt.Println(s) },
	})
	if err != nil {
		panic(err)
	}
	err = life.Add(lifecycle.Component{
		Name:  "pool", // pool.New in Start, the first queries in Warm
		Close: func(context.Context) error { fmt.Println("pool closed"); return nil },
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", life.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"data":{}}`)
	})))
	mux.Handle("/readyz", life.Probes())

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background()) // signal.NotifyContext in a program
	stop()
	defer stop()
	go func() { _ = life.Shutdown(ctx) }()
	<-life.Done()
	fmt.Println(life.Serve(&http.Server{Handler: mux}, listener) != nil)
	// Output:
	// draining
	// closed
	// true
}
