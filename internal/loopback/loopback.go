// Package loopback has what tests need that start servers.
package loopback

import (
	"net"
	"testing"
)

// FreeAddress returns a loopback address with a port that the kernel has just found free.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
