// Package hosts runs the tests of others' GraphQL servers with gqlboost's blocks
// instead of what they replace. It is a module of its own, so that what these tests need
// is nobody else's.
package hosts
