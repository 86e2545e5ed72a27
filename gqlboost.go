// Package gqlboost is the front page of a library of performance building
// blocks for GraphQL servers over PostgreSQL, and the home of the few types
// that the blocks share.
//
// A Go GraphQL server spends its time parsing JSON requests, planning queries,
// waiting for connections and for Postgres, serializing results and collecting
// garbage. There is one block for each, and each is adopted alone:
//
//   - simdjson parses: a SIMD JSON parser with a portable fallback, and the
//     decoding of GraphQL requests.
//   - plancache plans: an exact, stampede-proof cache of prepared queries.
//   - pool fetches: a pgxpool that can size itself, and pipelined reads.
//   - stream writes: JSON responses in constant memory.
//   - arena is the memory of the others: buffers, arenas, interning, mapped
//     files, and a governor for the garbage collector.
//   - lifecycle starts and drains the server, so that a deploy fails no request.
//
// No block imports another block. Adapters that need a third party (gqlgen,
// graph-gophers, Prometheus, OpenTelemetry, Redis, NATS) are in the nested module
// contrib, runnable servers in examples, and the measurements
// behind every claim in benchmarks.
//
// # Metrics
//
// Every block reports what it does as a [Source]: a snapshot of [Metric] values
// that an adapter turns into Prometheus series or OpenTelemetry instruments.
// This package itself imports nothing outside the standard library.
package gqlboost
