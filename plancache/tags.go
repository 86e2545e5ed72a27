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

// What is invalidated together is a tag. Each result has, beside those that it was given, one
// of its own and that of its version of the schema, which is the key of all plans of it.
const (
	tagPrefix    = "tag:"
	resultPrefix = "result:"
)

// tagKey is what a tag is in an [Invalidator].
func tagKey(tag string) string { return tagPrefix + tagHash(tag) }

// resultKey is what a result's own tag is in an Invalidator.
func resultKey(key string) string { return resultPrefix + tagHash(key) }

func tagHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:20])
}

// versionSize is the length of a version's key.
var versionSize = len(versionKey(""))

// isTag reports whether a key of an Invalidator is that of one tag.
func isTag(key string) bool {
	if prefix, all := strings.CutSuffix(key, "*"); all {
		return len(prefix) == versionSize && prefix[versionSize-1] == ':' && isHex(prefix[:versionSize-1])
	}
	return strings.HasPrefix(key, tagPrefix) || strings.HasPrefix(key, resultPrefix)
}

// mayBeTags reports whether a key with an asterisk may be those of some tags.
func mayBeTags(key string) bool {
	prefix, all := strings.CutSuffix(key, "*")
	if !all {
		return false
	}
	for _, of := range []string{tagPrefix, resultPrefix} {
		if strings.HasPrefix(of, prefix) || strings.HasPrefix(prefix, of) {
			return true
		}
	}
	return len(prefix) < versionSize && isHex(prefix)
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

func (c *tagClock) now() uint64 { return c.clock.Load() }

// good reports whether nothing that a result shows was invalidated since it was begun.
func (c *tagClock) good(v result) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if v.since < c.floor {
		return false
	}
	if len(c.last) == 0 {
		return true
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
