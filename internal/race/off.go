//go:build !race

// Package race lets tests leave out what the race detector changes: it makes programs
// slower and allocates itself.
package race

// Enabled reports whether the race detector is compiled in.
const Enabled = false
