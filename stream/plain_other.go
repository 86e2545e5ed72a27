//go:build !amd64 || purego

package stream

// plainBlocks is for machines with a faster way than plainPrefix has.
func plainBlocks(string) int { return 0 }
