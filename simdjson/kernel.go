package simdjson

import (
	"os"
	"sync"
)

// kernel is the code that parses, the slowest first.
type kernel uint8

const (
	portable kernel = iota
	neon
	avx2
	avx512
)

var kernelNames = [...]string{portable: "portable", neon: "neon", avx2: "avx2", avx512: "avx512"}

// String returns the kernel's name.
func (k kernel) String() string { return kernelNames[k] }

func fastest() kernel {
	all := kernels()
	return all[len(all)-1]
}

// chosen is the best kernel of this machine, or the one that the environment
// variable GQLBOOST_SIMD names.
var chosen = sync.OnceValue(func() kernel { return limitOf(os.Getenv("GQLBOOST_SIMD")) })

// limitOf returns this machine's kernel of that name, or its best if there is
// none.
func limitOf(name string) kernel {
	for _, k := range kernels() {
		if k.String() == name {
			return k
		}
	}
	return fastest()
}

// Kernel names the code that parses on this machine: "avx512" where the CPU has
// AVX-512 with VBMI2 (Intel from Ice Lake, AMD from Zen 4), "avx2" on nearly all
// other amd64, "neon" on arm64, "portable" elsewhere and with the build tag
// purego. The environment variable GQLBOOST_SIMD chooses a lower one; it is read
// once. Texts below 128 bytes are left to the portable kernel, which is faster
// there.
func Kernel() string { return chosen().String() }
