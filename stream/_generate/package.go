//go:build never

package main

// Keeps the package a requirement of this module: the generator reads its types.
// It must not be compiled in: the package may lack what is to be generated.
import _ "github.com/gqlboost/gqlboost/stream"
