package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/redis/rueidis"
)

// DefaultChannel is the channel of a [Bus] unless it has another one.
const DefaultChannel = "gqlboost:bus"

// Bus is a [bus.Transport] over the channels of Redis or Valkey (PUBLISH and SUBSCRIBE), alone,
// behind sentinels or as a cluster, whose nodes all carry them. It is safe for concurrent
// use. A subscription holds a connection.
type Bus struct {
	client  rueidis.Client
	channel string
}

var _ bus.Transport = (*Bus)(nil)

// NewBus returns a transport that uses a client, which it does not close. The channel is
// [DefaultChannel] if it is empty.
func NewBus(client rueidis.Client, channel string) *Bus {
	if channel == "" {
		channel = DefaultChannel
	}
	return &Bus{client, channel}
}

// Publish sends a message to all subscribers. In a cluster it goes over the node that the
// channel's name belongs to, because messages over different nodes may overtake each other,
// and over any other one if that is down.
func (b *Bus) Publish(ctx context.Context, message []byte) error {
	text := string(message)
	err := inHalf(ctx, func(ctx context.Context) error {
		// To the client the channel is a key, which has a node.
		return b.client.Do(ctx, b.client.B().Arbitrary("PUBLISH").Keys(b.channel).Args(text).Build()).Error()
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	errs := []error{err}
	nodes := b.client.Nodes()
	for _, address := range slices.Sorted(maps.Keys(nodes)) {
		node := nodes[address]
		err := inHalf(ctx, func(ctx context.Context) error {
			return node.Do(ctx, node.B().Publish().Channel(b.channel).Message(text).Build()).Error()
		})
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("redisstore: %s: %w", address, err))
	}
	return errors.Join(errs...)
}

// Subscribe receives messages until the context ends or the connection is lost, which is also
// what a server does with a subscriber that is too slow.
func (b *Bus) Subscribe(ctx context.Context, ready func(), receive func([]byte)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	client, release := b.client.Dedicate()
	defer release()
	var mu sync.Mutex
	ended := false // Subscribe is: the client may deliver a message that it has read, even after release.
	end := func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
	}
	defer end()
	lost := client.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) {
		mu.Lock()
		defer mu.Unlock()
		if !ended {
			receive([]byte(m.Message))
		}
	}})
	defer client.Close()
	// SSUBSCRIBE would bind the channel to one node. Every node carries this one.
	if err := client.Do(ctx, client.B().Subscribe().Channel(b.channel).Build()).Error(); err != nil {
		return fmt.Errorf("redisstore: subscribing: %w", err)
	}
	ready()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-lost:
		return fmt.Errorf("redisstore: the subscription was lost: %w", err)
	}
}
