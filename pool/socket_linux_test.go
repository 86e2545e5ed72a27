package pool

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/wait"
)

// A connection that is read from in the background, as pgx does after a write that took
// long, is looked at without a wait for that read.
func TestSilentBesideAReader(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = conn.Read(make([]byte, 1))
	}()
	wait.Until(t, "it is in the read", func() bool {
		stacks := make([]byte, 1<<20)
		for _, one := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(one, "[IO wait") && strings.Contains(one, "TestSilentBesideAReader.func") {
				return true
			}
		}
		return false
	})
	look := func() (quiet, known bool) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			defer close(done)
			quiet, known = silent(conn)
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("it waits for the read")
		}
		return quiet, known
	}
	if quiet, known := look(); !quiet || !known {
		t.Errorf("an idle connection: quiet %v, known %v", quiet, known)
	}
	if _, err := other.Write([]byte("ab")); err != nil { // One for the read, one that stays.
		t.Fatal(err)
	}
	<-read
	wait.Until(t, "what was said is seen", func() bool { quiet, _ := look(); return !quiet })
}
