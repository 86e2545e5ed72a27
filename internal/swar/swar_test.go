package swar

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// The first byte that is found is the first there is, for every byte at every place among
// others.
func TestFirst(t *testing.T) {
	escaped := func(c byte) bool { return c < ' ' || c == '"' || c == '\\' }
	special := func(c byte) bool { return escaped(c) || c >= 0x80 }
	for _, each := range []struct {
		name string
		find func(uint64) uint64
		is   func(byte) bool
	}{{"Special", Special, special}, {"Escaped", Escaped, escaped}} {
		for at := range 8 {
			for c := range 256 {
				for range 200 {
					var text [8]byte
					for i := range text {
						text[i] = byte(rand.IntN(256))
						if i < at && each.is(text[i]) {
							text[i] = 'a'
						}
					}
					text[at] = byte(c)
					want := 8
					for i := len(text) - 1; i >= 0; i-- {
						if each.is(text[i]) {
							want = i
						}
					}
					got := bits.TrailingZeros64(each.find(binary.LittleEndian.Uint64(text[:]))) / 8
					if got != want {
						t.Fatalf("%s(%q): %d, want %d", each.name, text, got, want)
					}
				}
			}
		}
	}
}
