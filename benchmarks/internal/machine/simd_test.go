package machine

import (
	"testing"

	"github.com/gqlboost/gqlboost/simdjson"
)

// The names are those of the instructions that simdjson's kernel of this machine uses.
func TestSIMD(t *testing.T) {
	t.Setenv("GQLBOOST_SIMD", "") // Read once, at the first use below.
	names := map[string]string{"avx512": "AVX-512", "avx2": "AVX2", "neon": "NEON", "portable": "none"}
	if got, want := SIMD(), names[simdjson.Kernel()]; got != want {
		t.Errorf("%s, and the kernel is %s", got, simdjson.Kernel())
	}
}
