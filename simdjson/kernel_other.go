//go:build purego || (!amd64 && !arm64)

package simdjson

type scanState struct {
	inString, control, invalid uint64
	indexed, escapes           uintptr
}

func kernels() []kernel { return []kernel{portable} }

// scanBlocks is not called where there is only the portable kernel.
func scanBlocks(kernel, *byte, int, uint32, *uint32, *uint32, *scanState) {}
