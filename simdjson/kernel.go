package simdjson

import (
	"os"
	"sync"
)

// kernel is the code that parses.
type kernel uint8

const (
	portable kernel = iota
	avx512
)

// String returns the kernel's name.
func (k kernel) String() string {
	if k == avx512 {
		return "avx512"
	}
	return "portable"
}

// chosen is the best kernel of this CPU, or the lower one that the environment
// variable GQLBOOST_SIMD names.
var chosen = sync.OnceValue(func() kernel {
	k := fastest()
	if os.Getenv("GQLBOOST_SIMD") == portable.String() {
		k = portable
	}
	return k
})

// Kernel names the code that parses on this machine: "avx512" where the CPU has
// AVX-512 with VBMI2 (Intel from Ice Lake, AMD from Zen 4), "portable"
// elsewhere, with the build tag purego, and where GQLBOOST_SIMD=portable asks
// for it.
func Kernel() string { return chosen().String() }
