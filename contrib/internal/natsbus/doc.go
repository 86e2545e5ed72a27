// Package natsbus tests contrib/natsbus on a NATS server in the process. It is a module of its
// own, so that the server's dependencies are not those of contrib.
package natsbus
