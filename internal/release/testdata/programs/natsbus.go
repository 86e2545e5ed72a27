package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/nats-io/nats.go"

	"github.com/gqlboost/gqlboost/contrib/natsbus"
)

func main() {
	// Nobody listens there: the client goes on trying.
	conn, err := nats.Connect("nats://127.0.0.1:1", nats.RetryOnFailedConnect(true))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	err = natsbus.New(conn, "").Publish(context.Background(), []byte("a message"))
	fmt.Println(errors.Is(err, nats.ErrDisconnected))
	// Output: true
}
