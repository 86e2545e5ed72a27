package machine

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// SIMD names the widest instructions of the CPU that this library has code for: "AVX-512",
// "AVX2", "NEON", or "none".
func SIMD() string {
	x := cpu.X86
	switch {
	case runtime.GOARCH == "386":
		return "none"
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VBMI && x.HasAVX512VBMI2:
		return "AVX-512"
	case x.HasAVX2:
		return "AVX2"
	case cpu.ARM64.HasASIMD:
		return "NEON"
	}
	return "none"
}
