package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// DefaultSharesNamespace is the prefix of keys of [PoolShares] unless they have another one.
const DefaultSharesNamespace = "gqlboost:pool:"

const (
	sharesTTL    = time.Hour // of a fleet that nobody has announced himself in
	sharesMost   = 4 << 20   // bytes of a fleet
	sharesPause  = 2 * time.Millisecond
	sharesLonger = 100 * time.Millisecond // pauses are no longer than this
)

// PoolShares keeps what pools with a lease know of each other, and is the Store of pool.LeaseOptions: so
// instances divide the connections of a Postgres server where no table can be written. (The leases of
// [Store] are something else: the right to build a plan.) It is safe for concurrent use.
//
// A fleet is one key, a hash, on one node of a cluster. It has 4 MiB at most, and expires an hour after
// the last instance is gone. Time is the server's. Changes are two scripts (EVALSHA, EVAL), which need Redis
// 6.2 or Valkey and the commands HGET, HMGET, HSET, HSTRLEN, EXISTS, PEXPIRE, TIME and INFO. A value that
// another server process has written counts as lost, because a restart from a file and a failover may bring
// an old one back: the pool finds that out, and no share grows until each instance has announced itself.
type PoolShares struct {
	client    rueidis.Client
	namespace string
}

// NewPoolShares returns a store that uses a client, which it does not close. Keys are the namespace and
// the name of the fleet. The namespace is [DefaultSharesNamespace] if it is empty.
func NewPoolShares(client rueidis.Client, namespace string) *PoolShares {
	if namespace == "" {
		namespace = DefaultSharesNamespace
	}
	return &PoolShares{client, namespace}
}

// run is the identity of the server's process. It is in both scripts: between them there may be a failover.
const run = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if not run then return redis.error_reply('INFO has no run_id') end
`

var (
	// readSharesScript returns the time, the process, and of the key whether it is there, its token, the
	// size of its value, the process that has written it, and the value unless it is too large.
	readSharesScript = rueidis.NewLuaScript(run + `
local time, key = redis.call('TIME'), KEYS[1]
local there = redis.call('EXISTS', key)
local found = redis.call('HMGET', key, 'token', 'run')
local size, value = redis.call('HSTRLEN', key, 'value'), ''
if size <= tonumber(ARGV[1]) then value = redis.call('HGET', key, 'value') or '' end
return {time[1], time[2], run, tostring(there), found[1] or '', tostring(size), found[2] or '', value}`)

	// writeSharesScript stores a value if nobody has stored one since another token was read, and reports
	// whether it has.
	writeSharesScript = rueidis.NewLuaScript(run + `
local key = KEYS[1]
if run ~= ARGV[1] or (redis.call('HGET', key, 'token') or '') ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'run', run, 'token', ARGV[3], 'value', ARGV[4])
redis.call('PEXPIRE', key, ARGV[5])
return 1`)
)

// Update implements the pool's LeaseStore.
func (s *PoolShares) Update(
	ctx context.Context, fleet string, change func(value []byte, now time.Time) ([]byte, error),
) error {
	key := s.namespace + fleet
	for tries := 1; ; tries++ {
		stored, err := s.try(ctx, key, change)
		if stored || err != nil {
			return err
		}
		pause := time.NewTimer(mathrand.N(min(time.Duration(tries)*sharesPause, sharesLonger)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("redisstore: key %q: others have changed it %d times meanwhile: %w", key, tries, ctx.Err())
		}
	}
}

// try changes a fleet, unless somebody else has meanwhile.
func (s *PoolShares) try(
	ctx context.Context, key string, change func(value []byte, now time.Time) ([]byte, error),
) (stored bool, err error) {
	keys := []string{key}
	answer, err := readSharesScript.Exec(ctx, s.client, keys, []string{strconv.Itoa(sharesMost)}).AsStrSlice()
	if err != nil {
		return false, explain(key, err)
	}
	found, err := readShares(answer)
	if err != nil {
		return false, errShares{fmt.Errorf("redisstore: key %q: %w", key, err)}
	}
	value, err := change(found.value, found.now)
	if err != nil {
		return false, fmt.Errorf("redisstore: key %q: %w", key, err)
	}
	if len(value) > sharesMost {
		return false, errShares{fmt.Errorf("redisstore: key %q: %d bytes are more than the %d of a fleet",
			key, len(value), sharesMost)}
	}
	args := []string{found.run, found.token, rand.Text(), rueidis.BinaryString(value), milliseconds(sharesTTL)}
	if stored, err = writeSharesScript.Exec(ctx, s.client, keys, args).AsBool(); err != nil {
		return false, explain(key, err)
	}
	return stored, nil
}

// stored is what was read of a fleet.
type stored struct {
	now        time.Time
	run, token string
	value      []byte // nil if there is none, or it may not be the newest
}

func readShares(answer []string) (s stored, err error) {
	if len(answer) != 8 {
		return s, fmt.Errorf("the server answers with %d values", len(answer))
	}
	seconds, err := strconv.ParseInt(answer[0], 10, 64)
	if err != nil {
		return s, fmt.Errorf("the server's time: %w", err)
	}
	micros, err := strconv.ParseInt(answer[1], 10, 64)
	if err != nil {
		return s, fmt.Errorf("the server's time: %w", err)
	}
	s.now, s.run, s.token = time.Unix(seconds, micros*1000), answer[2], answer[4]
	switch there, size, writer := answer[3] == "1", answer[5], answer[6]; {
	case there && (s.token == "" || writer == ""):
		return s, errors.New("a hash of something else: name another namespace, or delete it while no instance runs")
	case there && answer[7] == "" && size != "0":
		return s, fmt.Errorf("%s bytes are more than the %d of a fleet: delete it while no instance runs", size, sharesMost)
	case there && writer == s.run:
		s.value = []byte(answer[7])
	}
	return s, nil
}

// errShares is an error that time does not cure.
type errShares struct{ error }

// Unwrap returns the cause.
func (e errShares) Unwrap() error { return e.error }

// Permanent tells the pool.
func (e errShares) Permanent() bool { return true }

// explain says what is wrong with a server that refuses a script.
func explain(key string, err error) error {
	refused, ok := rueidis.IsRedisErr(err)
	if !ok {
		return fmt.Errorf("redisstore: key %q: %w", key, err)
	}
	switch text := refused.Error(); {
	case strings.Contains(text, "WRONGTYPE"):
		return errShares{fmt.Errorf("redisstore: key %q is no fleet of pools: name another namespace: %w", key, err)}
	case strings.Contains(text, "NOPERM") || strings.Contains(text, "can't run this command") ||
		strings.Contains(text, "ACL failure"):
		return errShares{fmt.Errorf("redisstore: key %q: allow the user EVALSHA, EVAL, HGET, HMGET, HSET, HSTRLEN, EXISTS, "+
			"PEXPIRE, TIME and INFO: %w", key, err)}
	case strings.Contains(text, "unknown command") || strings.Contains(text, "Unknown Redis command"):
		return errShares{fmt.Errorf("redisstore: key %q: the server must be Redis 6.2 or newer, or Valkey: %w", key, err)}
	}
	return fmt.Errorf("redisstore: key %q: %w", key, err)
}
