// Package redisstore is a second level of plan caches ([Store]), a transport of invalidations ([Bus]) and a
// store of the leases by which pools divide connections ([PoolShares]), on Redis or Valkey, alone, behind
// sentinels or as a cluster.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/plancache"
	"github.com/redis/rueidis"
)

// DefaultNamespace is the prefix of keys unless a configuration names another one.
const DefaultNamespace = "gqlboost:plan:"

// Options configures a [Store]. Zero fields have defaults.
type Options struct {
	// Namespace is the prefix of keys, and the name of the channel of deletions. Caches
	// of the same namespace share plans, so it should name the kind of plan. Its default
	// is [DefaultNamespace]. None should begin with another one: to delete all of that one
	// is to delete all of both.
	Namespace string
}

// Store is a [plancache.Store], with leases ([plancache.Leaser]), and a [plancache.Ranking]. It is
// safe for concurrent use. Leases and rankings need Redis 6.2 or Valkey, and are scripts (EVALSHA, EVAL).
//
// A plan is one key, so it does not matter on which node of a cluster it is; the keys of a group
// of a ranking are on one node. Deletions go
// over a channel (PUBLISH), which a cluster carries to all of its nodes. Deleting a
// version of a schema looks at all keys of the server (SCAN), and may take a while.
type Store struct {
	client    rueidis.Client
	namespace string
}

var (
	_ plancache.Store            = (*Store)(nil)
	_ plancache.BatchInvalidator = (*Store)(nil)
)

// New returns a store that uses a client, which it does not close.
func New(client rueidis.Client, c Options) *Store {
	if c.Namespace == "" {
		c.Namespace = DefaultNamespace
	}
	return &Store{client, c.Namespace}
}

// Get returns the value of a key, or [plancache.ErrNotFound].
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	// Arbitrary commands are not read-only to the client, which may send such to replicas: one that lags
	// still has what was deleted.
	value, err := s.client.Do(ctx, s.client.B().Arbitrary("GET").Keys(s.namespace+key).Build()).AsBytes()
	if rueidis.IsRedisNil(err) || strings.HasPrefix(rueidis.BinaryString(value), leased) {
		return nil, plancache.ErrNotFound
	}
	return value, err
}

// Set keeps a value for ttl, or forever if it is 0.
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	set := s.client.B().Set().Key(s.namespace + key).Value(rueidis.BinaryString(value))
	if ttl > 0 {
		return s.client.Do(ctx, set.Px(max(ttl, time.Millisecond)).Build()).Error()
	}
	return s.client.Do(ctx, set.Build()).Error()
}

// Delete removes a value, or all whose keys begin with what is before an asterisk, and
// notifies all watchers, even if something could not be removed. What is used (see
// [plancache.Ranking]) stays: it is no plan, and cannot be stale.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.DeleteEach(ctx, []string{key})
}

// DeleteEach implements [plancache.BatchInvalidator].
func (s *Store) DeleteEach(ctx context.Context, keys []string) error {
	// To remove all that begins with a prefix takes a while. A plan that is being made must not come in behind
	// it: who is told before does not store it.
	early := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !strings.HasSuffix(key, "*") })
	errs := []error{s.tell(ctx, early)}
	errs = append(errs, inHalf(ctx, func(ctx context.Context) error { return s.Remove(ctx, keys) }))
	// After it: who is told must not find it any more.
	return errors.Join(append(errs, s.tell(ctx, keys))...)
}

// tell notifies all watchers of keys.
func (s *Store) tell(ctx context.Context, keys []string) error {
	var errs []error
	var publish rueidis.Commands
	for _, key := range keys {
		publish = append(publish, s.client.B().Publish().Channel(s.namespace).Message(key).Build())
	}
	for _, r := range s.client.DoMulti(ctx, publish...) {
		errs = append(errs, r.Error())
	}
	return errors.Join(errs...)
}

// inHalf calls f with half of the time that is left, so that as much is left for what comes after it.
func inHalf(ctx context.Context, f func(context.Context) error) error {
	if deadline, ok := ctx.Deadline(); ok {
		limited, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
		ctx = limited
	}
	return f(ctx)
}

// Remove is Delete for several keys, and notifies nobody. It is the Before of a bus.Link that
// carries deletions instead of the store.
func (s *Store) Remove(ctx context.Context, keys []string) error {
	var errs []error
	var unlinks rueidis.Commands
	for _, key := range keys {
		if prefix, all := strings.CutSuffix(key, "*"); all {
			errs = append(errs, s.deleteAll(ctx, s.namespace+prefix))
		} else {
			unlinks = append(unlinks, s.client.B().Unlink().Key(s.namespace+key).Build())
		}
	}
	for _, r := range s.client.DoMulti(ctx, unlinks...) {
		errs = append(errs, r.Error())
	}
	return errors.Join(errs...)
}

// scanCount is how many keys a server looks at for each answer.
const scanCount = 1000

// globs are what means something in a pattern.
var globs = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// nodes returns the clients that together see all keys. Outside of a cluster that is the client itself, which asks the
// primary: replicas have no other keys, and SCAN on one that is down would block the deletion.
func (s *Store) nodes() map[string]rueidis.Client {
	if mode := s.client.Mode(); mode != rueidis.ClientModeCluster {
		return map[string]rueidis.Client{string(mode): s.client}
	}
	return s.client.Nodes()
}

// deleteAll removes what begins with a prefix from all nodes, also if one of them fails.
func (s *Store) deleteAll(ctx context.Context, prefix string) error {
	var errs []error
	for address, node := range s.nodes() {
		if err := s.deleteFrom(ctx, node, globs.Replace(prefix)+"*"); err != nil {
			errs = append(errs, fmt.Errorf("redisstore: %s: %w", address, err))
		}
	}
	return errors.Join(errs...)
}

// deleteFrom removes the keys of a node that match a pattern. It removes key by key,
// because keys of one node of a cluster may be of different slots.
func (s *Store) deleteFrom(ctx context.Context, node rueidis.Client, pattern string) error {
	for cursor := uint64(0); ; {
		// Arbitrary, as in Get: a replica may not have yet what is to be removed.
		scan := node.B().Arbitrary("SCAN").Args(
			strconv.FormatUint(cursor, 10), "MATCH", pattern, "COUNT", strconv.Itoa(scanCount)).Build()
		if s.client.Mode() != rueidis.ClientModeCluster {
			scan = scan.ToRetryable() // In a cluster, a node that is down must not be in the way of the others.
		}
		page, err := node.Do(ctx, scan).AsScanEntry()
		if err != nil {
			return err
		}
		var unlinks rueidis.Commands
		for _, key := range page.Elements {
			if strings.HasPrefix(key[len(s.namespace):], groupSign) {
				continue
			}
			unlinks = append(unlinks, s.client.B().Unlink().Key(key).Build())
		}
		for _, r := range s.client.DoMulti(ctx, unlinks...) {
			if err := r.Error(); err != nil {
				return err
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return nil
		}
	}
}

// Watch returns the keys that are deleted. It holds a connection until the context ends.
// The channel is closed when the connection is lost, or if it is not read from.
func (s *Store) Watch(ctx context.Context) (<-chan string, error) {
	ctx, cancel := context.WithCancel(ctx)
	keys := make(chan string, 1024)
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(keys)
		defer cancel()
		ended <- NewBus(s.client, s.namespace).Subscribe(ctx, func() { close(ready) }, func(key []byte) {
			select {
			case keys <- string(key):
			default:
				cancel() // It would hold up the connection, and is too far behind.
			}
		})
	}()
	select {
	case <-ready:
		return keys, nil
	case err := <-ended:
		return nil, err
	}
}
