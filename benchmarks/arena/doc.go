// Package arena measures gqlboost's arena against what a server would use
// otherwise. `make bench PACKAGES=arena COUNT=6` runs it interleaved and compares;
// cmd/governor measures the garbage collector's governor on the blog server.
package arena
