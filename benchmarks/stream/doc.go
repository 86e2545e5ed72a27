// Package stream measures gqlboost's stream and pgrows against what servers do
// without them.
package stream
