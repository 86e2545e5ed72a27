//go:build !purego

package stream

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:generate go run -C _generate . -out ../scan_amd64.s -stubs ../scan_amd64.go -pkg stream

// plainBlocks returns how many bytes of s, a multiple of 32, can be copied as they
// are. It is worth its call from 64 bytes on.
func plainBlocks(s string) int {
	if len(s) < 64 || !cpu.X86.HasAVX2 {
		return 0
	}
	return plainAVX2(unsafe.StringData(s), len(s)&^31)
}
