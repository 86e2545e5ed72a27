package main

import (
	"context"
	"errors"
	"log"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/gqlboost/gqlboost/contrib/redisstore"
	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
)

// redis is a client that may come later than its users, who have errors until then, or wait where
// they subscribe. It is safe for concurrent use.
type redis struct {
	there chan struct{} // closed when what follows is set
	store *redisstore.Store
	bus   *redisstore.Bus

	stop  context.CancelFunc
	ended sync.WaitGroup
}

var (
	_ plancache.Ranking = (*redis)(nil)
	_ bus.Transport     = (*redis)(nil)
)

const (
	connectPatience = time.Second // of a start with a Redis that is not there
	connectEvery    = time.Second
)

var errNotThere = errors.New("redis has not been there yet")

// connect waits for a moment, and goes on in the background until Redis is there.
func connect(o rueidis.ClientOption) *redis {
	ctx, stop := context.WithCancel(context.Background())
	r := &redis{there: make(chan struct{}), stop: stop}
	r.ended.Go(func() { r.run(ctx, o) })
	select {
	case <-r.there:
	case <-time.After(connectPatience):
		log.Print("on its own until Redis is there")
	}
	return r
}

func (r *redis) run(ctx context.Context, o rueidis.ClientOption) {
	client, err := rueidis.NewClient(o)
	for err != nil {
		log.Print("redis: ", err)
		select {
		case <-time.After(connectEvery):
		case <-ctx.Done():
			return
		}
		client, err = rueidis.NewClient(o)
	}
	defer client.Close()
	r.store, r.bus = redisstore.New(client, redisstore.Options{Namespace: "blog:"}), redisstore.NewBus(client, "blog:bus")
	close(r.there)
	<-ctx.Done()
}

// close ends the client, which nobody must use any more.
func (r *redis) close() {
	r.stop()
	r.ended.Wait()
}

// missing returns an error as long as Redis has not been there.
func (r *redis) missing() error {
	select {
	case <-r.there:
		return nil
	default:
		return errNotThere
	}
}

// Count implements [plancache.Ranking].
func (r *redis) Count(ctx context.Context, group string, uses []plancache.Use, keep plancache.Keep) error {
	if err := r.missing(); err != nil {
		return err
	}
	return r.store.Count(ctx, group, uses, keep)
}

// Top implements [plancache.Ranking].
func (r *redis) Top(ctx context.Context, group string, n, bytes int) ([]plancache.Use, error) {
	if err := r.missing(); err != nil {
		return nil, err
	}
	return r.store.Top(ctx, group, n, bytes)
}

// Publish implements [bus.Transport].
func (r *redis) Publish(ctx context.Context, message []byte) error {
	if err := r.missing(); err != nil {
		return err
	}
	return r.bus.Publish(ctx, message)
}

// Subscribe implements [bus.Transport].
func (r *redis) Subscribe(ctx context.Context, ready func(), receive func([]byte)) error {
	select {
	case <-r.there:
		return r.bus.Subscribe(ctx, ready, receive)
	case <-ctx.Done():
		return ctx.Err()
	}
}
