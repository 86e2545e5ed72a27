// Package arena is memory for servers that allocate the same things for every
// request. A GraphQL server spends a third to two fifths of its CPU time in the
// allocator and the garbage collector; each part of this package takes some of
// that away, and each is used alone:
//
//   - [Buffers] lends byte buffers of every size, and keeps a bounded amount.
//   - [Arena] hands out the objects of one request and takes them back at once.
//   - [Interner] turns repeated bytes into the same string.
//   - [Pool] is a sync.Pool of one type that resets its objects and drops
//     those that have grown too large.
//   - [Map] reads a file through memory, and survives its truncation.
//   - [TuneGC] spends a memory budget on fewer garbage collections.
//
// # Where to start
//
// With TuneGC: one line in main, no other change. On the blog server of
// examples/blog with 64 clients and a budget of 256 MiB it gave 1.27 times the
// requests per second at 0.77 times the P95, with 158 MiB resident instead of
// 63; while the live heap grew to 80 % of the budget the process peaked at 244
// MiB (`go run ./cmd/governor` in benchmarks). A fixed GOGC does the same for a
// fixed live heap, and runs out of memory when that grows; GOMEMLIMIT alone
// prevents that, but leaves the collector as busy as before until memory is
// short.
//
// # When not to use it
//
//   - A value that does not escape needs no arena: the compiler puts it on the
//     stack, where it costs less than half as much (see `go build -gcflags=-m`). An arena makes
//     it escape.
//   - For one object, New and Free cost what the heap does, or more. From a few
//     objects on they gain, and are several times faster for 64 and more (the table in
//     the README).
//   - Objects that outlive the request, or whose lives differ, belong on the heap.
//     So does everything that other code may keep a reference to: a cache, a log
//     entry, a goroutine that continues.
//   - A buffer of a fixed small size that stays in the function is an array. One that does
//     not is lent faster by a sync.Pool: with 64 bytes it took 13 ns where Buffers took 52
//     (BenchmarkFixed), since each Get makes a new handle for a second Put to be harmless.
//   - Strings that never repeat (ids, texts) gain nothing from an Interner: each
//     costs a copy and a lookup.
//   - A file that is read once from start to end is better read than mapped.
//
// # Finding mistakes
//
// Memory that is used after it was given back is the price of all of this. Build
// and test with the tag gqlboost_debug to find such use: arenas overwrite what
// Reset takes back and panic when two goroutines use one at the same time;
// buffers are checked for writes after Put, and a second Put panics.
//
// # Metrics
//
// [Source] reports the package's counters; a Buffers, Interner or Pool is a
// [gqlboost.Source] itself.
package arena
