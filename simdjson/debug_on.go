//go:build gqlboost_debug

package simdjson

// debugging makes use after Close loud: a closed document is not used again, its
// text and copies of strings are overwritten, and its values panic.
const debugging = true

func (d *Document) poison() {
	for _, memory := range [][]byte{d.copied, d.scratch} {
		memory = memory[:cap(memory)]
		for i := range memory {
			memory[i] = 0xDB
		}
	}
}
