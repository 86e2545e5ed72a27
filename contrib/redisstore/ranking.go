package redisstore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/gqlboost/gqlboost/plancache"
)

var _ plancache.Ranking = (*Store)(nil)

// A group is two keys of the same slot: a sorted set of the hashes of its members by their uses,
// and the members by their hashes. Beside these the second one has, under the empty name, until
// when uses have faded. All changes to a group are scripts, which run as a whole. The server may evict
// either key: members without uses are nobody's then, and go.
//
// An instance sends the members only that the server asks for, which are few.
var (
	// countScript lets old uses fade, adds new ones, keeps those that are used most, and returns the
	// places of the hashes whose members are missing. Uses fade in steps of an eighth of the
	// half-life; what is worth less than a hundredth of a use goes.
	countScript = rueidis.NewLuaScript(`
local uses, members = KEYS[1], KEYS[2]
local most, half, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', uses) == 0 then redis.call('DEL', members) end
local at = tonumber(redis.call('HGET', members, '') or '')
if not at or at > now then
	redis.call('HSET', members, '', now)
elseif now - at >= half / 8 then
	redis.call('ZUNIONSTORE', uses, 1, uses, 'WEIGHTS', string.format('%.17g', 0.5 ^ ((now - at) / half)))
	redis.call('HSET', members, '', now)
end
for i = 4, #ARGV, 2 do redis.call('ZINCRBY', uses, ARGV[i + 1], ARGV[i]) end
local function drop(list)
	for _, hash in ipairs(list) do
		redis.call('ZREM', uses, hash)
		redis.call('HDEL', members, hash)
	end
end
drop(redis.call('ZRANGE', uses, 0, -(most + 1)))
drop(redis.call('ZRANGEBYSCORE', uses, '-inf', '(0.01'))
redis.call('PEXPIRE', uses, ttl)
redis.call('PEXPIRE', members, ttl)
local missing = {}
for i = 4, #ARGV, 2 do
	if redis.call('ZSCORE', uses, ARGV[i]) and redis.call('HEXISTS', members, ARGV[i]) == 0 then
		missing[#missing + 1] = (i - 4) / 2
	end
end
return missing`)

	// membersScript adds members that are still used.
	membersScript = rueidis.NewLuaScript(`
for i = 1, #ARGV, 2 do
	if redis.call('ZSCORE', KEYS[1], ARGV[i]) then redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
local ttl = redis.call('PTTL', KEYS[1])
if ttl > 0 then redis.call('PEXPIRE', KEYS[2], ttl) end
return 1`)

	// topScript returns members and their uses, those that are used most first.
	topScript = rueidis.NewLuaScript(`
local n, left, found = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
local list = redis.call('ZRANGE', KEYS[1], 0, n - 1, 'REV', 'WITHSCORES')
for i = 1, #list, 2 do
	local size = redis.call('HSTRLEN', KEYS[2], list[i])
	if size > 0 and size <= left then
		left = left - size
		found[#found + 1] = redis.call('HGET', KEYS[2], list[i])
		found[#found + 1] = list[i + 1]
	end
end
return found`)
)

// groupSign begins the keys of groups, and no others.
const groupSign = "{"

// group returns the two keys of a group.
func (s *Store) group(name string) ([]string, error) {
	if strings.Contains(s.namespace, "{}") {
		return nil, fmt.Errorf("redisstore: the namespace %q has an empty hash tag, so groups cannot lie on one node",
			s.namespace)
	}
	key := s.namespace + groupSign + name + "}"
	return []string{key + ":uses", key + ":members"}, nil
}

// Count implements [plancache.Ranking].
func (s *Store) Count(ctx context.Context, group string, uses []plancache.Use, keep plancache.Keep) error {
	keys, err := s.group(group)
	if err != nil || len(uses) == 0 {
		return err
	}
	if keep.Most <= 0 || keep.HalfLife <= 0 || keep.TTL <= 0 {
		return fmt.Errorf("redisstore: Keep is %+v: all of it must be positive", keep)
	}
	args := []string{strconv.Itoa(keep.Most), milliseconds(keep.HalfLife), milliseconds(keep.TTL)}
	for _, u := range uses {
		if u.Member == "" || !(u.Count > 0) || math.IsInf(u.Count, 0) {
			return fmt.Errorf("redisstore: %v uses of %.60q: a member must not be empty, and have uses", u.Count, u.Member)
		}
		args = append(args, hash(u.Member), strconv.FormatFloat(u.Count, 'g', -1, 64))
	}
	missing, err := countScript.Exec(ctx, s.client, keys, args).AsIntSlice()
	if err != nil || len(missing) == 0 {
		return err
	}
	members := make([]string, 0, 2*len(missing))
	for _, i := range missing {
		if i < 0 || i >= int64(len(uses)) {
			return fmt.Errorf("redisstore: the server asks for member %d of %d", i, len(uses))
		}
		members = append(members, hash(uses[i].Member), uses[i].Member)
	}
	return membersScript.Exec(ctx, s.client, keys, members).Error()
}

// Top implements [plancache.Ranking].
func (s *Store) Top(ctx context.Context, group string, n, bytes int) ([]plancache.Use, error) {
	keys, err := s.group(group)
	if err != nil || n <= 0 || bytes <= 0 {
		return nil, err
	}
	list, err := topScript.Exec(ctx, s.client, keys, []string{strconv.Itoa(n), strconv.Itoa(bytes)}).AsStrSlice()
	if err != nil {
		return nil, err
	}
	uses := make([]plancache.Use, 0, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		count, err := strconv.ParseFloat(list[i+1], 64)
		if err != nil {
			return nil, fmt.Errorf("redisstore: %d uses of a member of %q: %w", len(uses), group, err)
		}
		uses = append(uses, plancache.Use{Member: list[i], Count: count})
	}
	return uses, nil
}

// hash identifies a member. It is never empty.
func hash(member string) string {
	sum := sha256.Sum256([]byte(member))
	return string(sum[:16])
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }
