// Package postgres starts private PostgreSQL servers for tests, examples and
// benchmarks.
//
// A server lives in a temporary directory, listens on a random loopback port
// and on a unix socket, and is gone when it is stopped: also when the process
// that started it is interrupted, panics or is killed, because a small watchdog
// process outlives it (see internal/watchdog).
//
// The binaries are those of the machine (PostgreSQL 14 or newer), else an
// embedded build is downloaded once into the user's cache directory. Setting
// GQLBOOST_TEST_DSN uses an existing server instead: every Start then makes a
// database of its own there and drops it when it is stopped.
package postgres
