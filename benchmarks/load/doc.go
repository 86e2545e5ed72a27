// Package load is a load test for the blog's GraphQL API (examples/blog) and for
// every server that answers the same schema.
//
// An open loop sends requests at the times that an arrival process names, and
// counts a request's latency from the time it should have been sent: a server
// that stalls cannot hide the requests that queue up behind the stall
// (coordinated omission). A closed loop has a number of clients that each send
// the next request when the last one is answered: it finds the highest
// throughput, and its latencies are those of that concurrency only.
//
// Every response is decoded and compared with what was asked for. One that is
// wrong or incomplete is an error, not a success that came fast.
package load
