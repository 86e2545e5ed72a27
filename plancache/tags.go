package plancache

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
)

// tagClock knows when tags were invalidated, on a clock that counts invalidations.
type tagClock struct {
	clock atomic.Uint64
	count atomic.Uint64 // tags that were invalidated

	mu    sync.RWMutex
	last  map[string]uint64 // when a tag was invalidated last, by its key
	floor uint64            // what is older is over
}

// maxTags bounds how many tags are remembered that were invalidated.
const maxTags = 100_000

// tagPrefix is the prefix of the keys of tags.
const tagPrefix = "tag:"

// tagKey is what a tag is in an [Invalidator].
func tagKey(tag string) string {
	sum := sha256.Sum256([]byte(tag))
	return tagPrefix + hex.EncodeToString(sum[:20])
}

// isTags reports whether a key of an Invalidator is that of a tag, or the beginning of the
// keys of tags with an asterisk.
func isTags(key string) bool {
	if prefix, all := strings.CutSuffix(key, "*"); all && strings.HasPrefix(tagPrefix, prefix) {
		return true
	}
	return strings.HasPrefix(key, tagPrefix)
}

func (c *tagClock) now() uint64 { return c.clock.Load() }

// good reports whether nothing that a result shows was invalidated since it was begun.
func (c *tagClock) good(v result) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if v.since < c.floor {
		return false
	}
	for _, tag := range v.tags {
		if c.last[tag] > v.since {
			return false
		}
	}
	return true
}

// end invalidates tags.
func (c *tagClock) end(keys []string) {
	c.count.Add(uint64(len(keys)))
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Add(1)
	if len(c.last)+len(keys) > maxTags {
		c.last, c.floor = map[string]uint64{}, now
	}
	for _, key := range keys {
		if len(c.last) < maxTags {
			c.last[key] = now
		}
	}
}

// endAll invalidates all that there is.
func (c *tagClock) endAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floor = c.clock.Add(1)
	clear(c.last)
}
