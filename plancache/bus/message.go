package bus

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// message is what goes over a transport, as words of text:
//
//	gqlboost1 keys 0123456789abcdef 7 1500 eu,us key key
//
// A key alone is a message as well: it has no origin. So a migration can say
// SELECT pg_notify('gqlboost_plans', '*').
type message struct {
	kind   kind
	origin string
	seq    uint64        // of the last message with keys, which is this one if it has some
	age    time.Duration // how long ago the one before this was sent that had keys
	path   []string      // the regions that it has left, the first one first
	local  bool          // bridges leave it where it is; then there is no path
	keys   []string
}

type kind string

const (
	kindKeys kind = "keys"
	kindBeat kind = "beat"
	kindBye  kind = "bye" // the origin sends nothing any more
)

const (
	wordPrefix = "gqlboost"
	wordFormat = wordPrefix + "1"
	noPath     = "-"
	localPath  = "."
	originSize = 16 // hexadecimal digits
	maxKey     = 100
	maxRegion  = 32
	maxPath    = 8
	maxAge     = 1000 * time.Hour
	// headSize is the most bytes of a message before its keys.
	headSize = len(wordFormat) + len(kindKeys) + originSize + 20 + 10 + maxPath*(maxRegion+1) + 6
)

// everything is the key of all that there is.
const everything = "*"

var (
	errFormat  = errors.New("bus: not a message")
	errVersion = errors.New("bus: a message of another version")
)

// earlier reports whether the origin has sent keys before this message.
func (m *message) earlier() bool {
	return m.seq > 1 || m.seq == 1 && m.kind != kindKeys
}

func (m *message) encode() []byte {
	path := noPath
	switch {
	case m.local:
		path = localPath
	case len(m.path) > 0:
		path = strings.Join(m.path, ",")
	}
	age := min(m.age, maxAge).Milliseconds()
	b := fmt.Appendf(nil, "%s %s %s %d %d %s", wordFormat, m.kind, m.origin, m.seq, age, path)
	for _, key := range m.keys {
		b = append(append(b, ' '), key...)
	}
	return b
}

// decode reads what may be a message. It keeps nothing of data.
func decode(data []byte) (m message, err error) {
	if len(data) > MaxMessage {
		return m, errFormat
	}
	text := string(data)
	if validKey(text) {
		return message{kind: kindKeys, keys: []string{text}}, nil
	}
	words := strings.Split(text, " ")
	switch {
	case words[0] != wordFormat && len(words) > 1 && strings.HasPrefix(text, wordPrefix):
		return m, errVersion
	case words[0] != wordFormat || len(words) < 6:
		return m, errFormat
	}
	m = message{kind: kind(words[1]), origin: words[2], keys: words[6:]}
	age, err := strconv.ParseUint(words[4], 10, 63)
	if err != nil || age > uint64(maxAge.Milliseconds()) {
		return message{}, errFormat
	}
	m.age = time.Duration(age) * time.Millisecond
	if m.seq, err = strconv.ParseUint(words[3], 10, 64); err != nil || m.seq == math.MaxUint64 {
		return message{}, errFormat
	}
	switch words[5] {
	case noPath:
	case localPath:
		m.local = true
	default:
		m.path = strings.Split(words[5], ",")
	}
	if !m.valid() {
		return message{}, errFormat
	}
	return m, nil
}

func (m *message) valid() bool {
	switch m.kind {
	case kindKeys:
		if len(m.keys) == 0 || m.seq == 0 {
			return false
		}
	case kindBeat, kindBye:
		if len(m.keys) > 0 {
			return false
		}
	default:
		return false
	}
	return validOrigin(m.origin) && len(m.path) <= maxPath &&
		!slices.ContainsFunc(m.path, func(r string) bool { return !validRegion(r) }) &&
		!slices.ContainsFunc(m.keys, func(k string) bool { return !validKey(k) })
}

func validOrigin(s string) bool {
	return len(s) == originSize && only(s, func(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' })
}

func validRegion(s string) bool {
	return s != "" && s != noPath && len(s) <= maxRegion && only(s, func(c byte) bool { return letter(c) || c == '-' })
}

func validKey(s string) bool {
	return s != "" && len(s) < maxKey &&
		only(strings.TrimSuffix(s, everything), func(c byte) bool { return letter(c) || c == ':' })
}

func letter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func only(s string, which func(byte) bool) bool {
	for i := range len(s) {
		if !which(s[i]) {
			return false
		}
	}
	return true
}
