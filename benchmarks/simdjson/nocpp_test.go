//go:build !simdjson_cpp

package simdjson

// inCPP is what the tag simdjson_cpp adds: simdjson in C++.
func inCPP([]byte) []implementation { return nil }
