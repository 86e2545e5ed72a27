// Package swar looks at eight bytes of a JSON string at a time, in one register. The first byte
// is the lowest one (little endian).
package swar

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// Special has the high bit of each byte set that is a quote, a backslash, a control character or
// not ASCII. It may be set for others above the first of these, never below it.
func Special(x uint64) uint64 {
	quote := x ^ '"'*ones
	backslash := x ^ '\\'*ones
	return ((quote - ones) | (backslash - ones) | (x - ' '*ones) | x) & highs
}

// Escaped is Special but for bytes that are not ASCII.
func Escaped(x uint64) uint64 {
	quote := x ^ '"'*ones
	backslash := x ^ '\\'*ones
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (x-' '*ones)&^x) & highs
}
