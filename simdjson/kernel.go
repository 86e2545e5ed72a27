package simdjson

import (
	"fmt"
	"os"
	"strings"
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

// choice is the kernel that the environment variable GQLBOOST_SIMD leaves us.
type choice struct {
	kernel  kernel
	unknown error // of its name, or nil
}

var environment = sync.OnceValue(func() choice {
	name := os.Getenv("GQLBOOST_SIMD")
	if name == "" {
		return choice{kernel: fastest()}
	}
	limit, err := parseKernel(name)
	if err != nil {
		// Somebody wants less than the best, and the portable kernel is right for
		// whatever reason they have.
		counters.unknown.Add(1)
		return choice{portable, fmt.Errorf("GQLBOOST_SIMD: %w", err)}
	}
	return choice{kernel: bestBelow(limit)}
})

// parseKernel returns the kernel of that name, of any machine.
func parseKernel(name string) (kernel, error) {
	for k, known := range kernelNames {
		if name == known {
			return kernel(k), nil
		}
	}
	return portable, fmt.Errorf("simdjson: unknown kernel %q: use one of %s", name, strings.Join(kernelNames[:], ", "))
}

// bestBelow returns this machine's best kernel that is not above limit.
func bestBelow(limit kernel) kernel {
	best := portable
	for _, k := range kernels() {
		if k <= limit {
			best = k
		}
	}
	return best
}

// Kernel names the code that parses on this machine: "avx512" where the CPU has
// AVX-512 with VBMI2 (Intel from Ice Lake, AMD from Zen 4), "avx2" on nearly all
// other amd64, "neon" on arm64, "portable" elsewhere and with the build tag
// purego. Texts below 128 bytes are left to the portable kernel, which is faster
// there.
//
// The environment variable GQLBOOST_SIMD, which is read once, chooses a lower one;
// of one that this machine lacks, the best below it is used. For a value that is no
// kernel, the portable one parses, Kernel returns "portable" followed by what is
// wrong, and the metric gqlboost.simdjson.unknown_kernels is not 0.
func Kernel() string {
	c := environment()
	if c.unknown != nil {
		return fmt.Sprintf("%s (%v)", c.kernel, c.unknown)
	}
	return c.kernel.String()
}
