//go:build !purego

package simdjson

import "golang.org/x/sys/cpu"

//go:generate go run -C _generate . -out ../scan_amd64.s -stubs ../scan_amd64.go -pkg simdjson

// scanState is what stage 1 carries from block to block.
type scanState struct {
	inString uint64 // all ones if the last byte was inside a string
	//lint:ignore U1000 the assembly uses it
	escaped uint64 // 1 if the next byte is escaped
	//lint:ignore U1000 likewise
	scalar  uint64  // 1 if the last byte belonged to a literal or number
	control uint64  // not 0 if there was a control character in a string
	invalid uint64  // not 0 if there was invalid UTF-8
	indexed uintptr // address behind the last position in the index
	escapes uintptr // the same for the backslashes
	//lint:ignore U1000 likewise
	previous [64]byte
}

// kernels returns those that this machine has, the fastest last.
func kernels() []kernel {
	x := cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasPCLMULQDQ || !x.HasPOPCNT || !x.HasBMI1:
		return []kernel{portable}
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VBMI && x.HasAVX512VBMI2:
		return []kernel{portable, avx2, avx512}
	}
	return []kernel{portable, avx2}
}

// scanBlocks indexes blocks of 64 bytes at data, which are those at base of the
// text. It writes up to 15 positions more than there are.
func scanBlocks(k kernel, data *byte, blocks int, base uint32, index, backslashes *uint32, s *scanState) {
	if k == avx512 {
		scanAVX512(data, blocks, base, index, backslashes, s)
		return
	}
	scanAVX2(data, blocks, base, index, backslashes, s)
}
