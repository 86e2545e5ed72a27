//go:build !linux

package pool

import (
	"net"
	"time"
)

// silent knows nothing here: idle connections are pinged, as pgxpool does.
func silent(net.Conn) (quiet, known bool) { return false, false }

// setPatience leaves it to the system here.
func setPatience(net.Conn, time.Duration) {}
