// Package simdjson measures gqlboost's simdjson against other Go parsers on the
// corpora that Go ships for its own JSON benchmarks, and on GraphQL requests.
package simdjson
