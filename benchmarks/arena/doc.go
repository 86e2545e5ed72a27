// Package arena measures gqlboost's arena against what a server would use
// otherwise. `make bench-arena` runs it interleaved and prints the ratios;
// cmd/governor measures the garbage collector's governor on the blog server.
package arena
