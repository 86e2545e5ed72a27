//go:build !gqlboost_debug

package stream

// debugging is explained in debug_on.go.
const debugging = false
