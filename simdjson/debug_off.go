//go:build !gqlboost_debug

package simdjson

// debugging is explained in debug_on.go.
const debugging = false

type firstClose struct{}

func (*memory) poison()           {}
func closedHere(*Document)        {}
func reportSecondClose(*Document) {}
func reportUseAfterClose(*memory) {}
