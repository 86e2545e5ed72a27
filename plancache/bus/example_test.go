package bus_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
)

// record, writer and reader stand for a client of Kafka: the topic has one partition, so that
// messages are in order, and each reader begins at its end.
type record struct{ Value []byte }

type writer interface {
	WriteMessages(ctx context.Context, records ...record) error
}

type reader interface {
	ReadMessage(ctx context.Context) (record, error)
	Close() error
}

// kafka is a transport over a topic of Kafka.
type kafka struct {
	writer writer
	open   func(ctx context.Context) (reader, error) // at the end of the topic
}

func (k kafka) Publish(ctx context.Context, message []byte) error {
	return k.writer.WriteMessages(ctx, record{Value: message})
}

func (k kafka) Subscribe(ctx context.Context, ready func(), receive func([]byte)) error {
	r, err := k.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	ready()
	for {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			return err // The link opens another reader, and caches lose all.
		}
		receive(m.Value)
	}
}

// What carries messages is a transport of 20 lines, here for Kafka. bustest.Run tests it.
func ExampleTransport() {
	topic := newTopic()
	link, err := bus.New(kafka{topic, topic.open}, bus.Options{})
	if err != nil {
		panic(err)
	}
	defer link.Close()
	if err := link.Ready(context.Background()); err != nil {
		panic(err)
	}
	keys, err := link.Watch(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println(link.Delete(context.Background(), "tag:1"))
	fmt.Println(<-keys)
	// Output:
	// <nil>
	// tag:1
}

// Two instances of a server share an invalidator, and what one of them invalidates both lose.
func Example() {
	ctx := context.Background()
	hub := bustest.NewHub() // or redisstore.NewBus, pgnotify.New, natsbus.New
	var caches []*plancache.Results
	for range 2 {
		link, err := bus.New(hub.Connect(), bus.Options{})
		if err != nil {
			panic(err)
		}
		defer link.Close()
		if err := link.Ready(ctx); err != nil { // before it serves
			panic(err)
		}
		results, err := plancache.NewResults(plancache.ResultsOptions{Bytes: 1 << 20, TTL: time.Minute, Invalidator: link})
		if err != nil {
			panic(err)
		}
		defer results.Close()
		caches = append(caches, results)
	}
	key := plancache.ResultKey{Query: "{ post(id: 1) { title } }"}
	for _, c := range caches {
		_, err := c.Load(ctx, key, func(context.Context) (data []byte, tags []string, err error) {
			return []byte(`{"data":{"post":{"title":"Hello"}}}`), []string{"post:1"}, nil
		})
		if err != nil {
			panic(err)
		}
	}
	fmt.Println(caches[0].Invalidate(ctx, "post:1"))
	for found := true; found; _, found = caches[1].Get(key) {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("gone")
	// Output:
	// <nil>
	// gone
}
