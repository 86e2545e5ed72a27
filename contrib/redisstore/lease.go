package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/gqlboost/gqlboost/plancache"
)

var _ plancache.Leaser = (*Store)(nil)

// A lease is a value that no plan begins with, at the plan's own key: so it is on the same node
// of a cluster, and what deletes the plan ends the lease.
const leased = "\x00gqlboost lease "

var (
	// leaseScript returns the value of a key, a lease of somebody else included, and otherwise
	// leaves a lease.
	leaseScript = rueidis.NewLuaScript(`
local value = redis.call('GET', KEYS[1])
if value then return value end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`)

	// setLeasedScript keeps a value in place of a lease, and reports whether it was there.
	setLeasedScript = rueidis.NewLuaScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then
	redis.call('SET', KEYS[1], ARGV[2])
else
	redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1`)

	releaseScript = rueidis.NewLuaScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('UNLINK', KEYS[1]) end
return 1`)
)

// Lease implements [plancache.Leaser].
func (s *Store) Lease(ctx context.Context, key string, ttl time.Duration) (value []byte, token string, err error) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // It never fails.
	token = hex.EncodeToString(random[:])
	found, err := s.run(ctx, leaseScript, key, leased+token, milliseconds(ttl)).ToString()
	switch {
	case err != nil:
		return nil, "", err
	case found == leased+token:
		return nil, token, nil
	case strings.HasPrefix(found, leased):
		return nil, "", plancache.ErrLeased
	}
	return []byte(found), "", nil
}

// SetLeased implements [plancache.Leaser].
func (s *Store) SetLeased(ctx context.Context, key, token string, value []byte, ttl time.Duration) error {
	px := "0"
	if ttl > 0 {
		px = milliseconds(ttl)
	}
	kept, err := s.run(ctx, setLeasedScript, key, leased+token, rueidis.BinaryString(value), px).AsBool()
	if err == nil && !kept {
		err = plancache.ErrLeaseLost
	}
	return err
}

// Release implements [plancache.Leaser].
func (s *Store) Release(ctx context.Context, key, token string) error {
	return s.run(ctx, releaseScript, key, leased+token).Error()
}

func (s *Store) run(ctx context.Context, script *rueidis.Lua, key string, args ...string) rueidis.RedisResult {
	return script.Exec(ctx, s.client, []string{s.namespace + key}, args)
}
