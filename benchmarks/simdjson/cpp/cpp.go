//go:build simdjson_cpp

// Package cpp calls simdjson in C++, the peer that is not a Go library: it needs
// a C++ compiler and Debian's libsimdjson-dev, and the build tag simdjson_cpp.
package cpp

// #cgo CXXFLAGS: -O3 -std=c++17
// #cgo LDFLAGS: -lsimdjson
// #include <stddef.h>
// int gqlboost_parse(const char *text, size_t length, size_t capacity);
import "C"

import "unsafe"

// padding is what simdjson reads behind a text.
const padding = 64

// Padded returns a copy of a text that Parse can read.
func Padded(text []byte) []byte {
	return append(make([]byte, 0, len(text)+padding), text...)
}

// Parse makes a document of a text from Padded, and reports whether it is valid.
func Parse(text []byte) bool {
	return C.gqlboost_parse((*C.char)(unsafe.Pointer(unsafe.SliceData(text))), C.size_t(len(text)),
		C.size_t(cap(text))) != 0
}
