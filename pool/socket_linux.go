package pool

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// silent reports whether the other side of an idle connection has said nothing, not
// even that it is gone. It asks the kernel only. known is false for a connection
// that the kernel does not know.
func silent(conn net.Conn) (quiet, known bool) {
	raw, ok := rawConn(conn)
	if !ok {
		return false, false
	}
	// Not raw.Read, which waits for the reader: on a busy machine pgx reads in the
	// background while it writes, and that read goes on when the connection is idle.
	err := raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		quiet = err == unix.EAGAIN
	})
	return quiet && err == nil, true
}

// setPatience makes the kernel give a connection up when what was sent is not
// acknowledged within d, and asks an idle one whether it is there.
func setPatience(conn net.Conn, d time.Duration) {
	if t, ok := inner(conn).(*net.TCPConn); ok {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: d / 2, Interval: d / 6, Count: 3})
	}
	if raw, ok := rawConn(conn); ok {
		_ = raw.Control(func(fd uintptr) {
			// Refused for sockets that are not TCP.
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
		})
	}
}

func rawConn(conn net.Conn) (syscall.RawConn, bool) {
	c, ok := inner(conn).(syscall.Conn)
	if !ok {
		return nil, false
	}
	raw, err := c.SyscallConn()
	return raw, err == nil
}

// inner returns the connection below TLS, and below what a gate keeps of it.
func inner(conn net.Conn) net.Conn {
	for {
		t, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = t.NetConn()
	}
}
