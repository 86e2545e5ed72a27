//go:build gqlboost_debug

package stream

// debugging makes Raw look at what it is given.
const debugging = true
