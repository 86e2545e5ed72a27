// Package contrib is the root of the adapters that need a third party: GraphQL
// hosts, Prometheus, OpenTelemetry, Redis, NATS, Postgres's notifications. They are a module of their own so
// that the library itself brings none of these along.
package contrib
