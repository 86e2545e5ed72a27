//go:build !gqlboost_debug

package simdjson

// debugging is explained in debug_on.go.
const debugging = false

// firstClose is explained in debug_on.go.
//
//lint:ignore U1000 the debug build uses it
type firstClose struct{}

func (*memory) poison()           {}
func closedHere(*Document)        {}
func reportSecondClose(*Document) {}
func reportUseAfterClose(*memory) {}
