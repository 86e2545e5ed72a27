package simdjson

import (
	"os"
	"slices"
	"sync"
)

// kernel is the code that parses, the slowest first.
type kernel uint8

const (
	portable kernel = iota
	avx2
	avx512
)

var kernelNames = [...]string{portable: "portable", avx2: "avx2", avx512: "avx512"}

// String returns the kernel's name.
func (k kernel) String() string { return kernelNames[k] }

// chosen is the best kernel of this CPU, or the lower one that the environment
// variable GQLBOOST_SIMD names.
var chosen = sync.OnceValue(func() kernel {
	best := fastest()
	if named := slices.Index(kernelNames[:], os.Getenv("GQLBOOST_SIMD")); named >= 0 {
		return min(best, kernel(named))
	}
	return best
})

// Kernel names the code that parses on this machine: "avx512" where the CPU has
// AVX-512 with VBMI2 (Intel from Ice Lake, AMD from Zen 4), "avx2" on nearly all
// other amd64, "portable" elsewhere and with the build tag purego. The
// environment variable GQLBOOST_SIMD chooses a lower one.
func Kernel() string { return chosen().String() }
