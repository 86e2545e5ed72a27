//go:build !gqlboost_debug

package simdjson

// debugging is explained in debug_on.go.
const debugging = false

func (*Document) poison() {}
