package proxy

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// echo answers what it receives.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func TestProxy(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	target := echo(t)
	p, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(text []byte) time.Duration {
		start := time.Now()
		if _, err := c.Write(text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(text))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%q, %v", got, err)
		}
		return time.Since(start)
	}
	ask([]byte("at once"))
	p.SetDelay(20 * time.Millisecond)
	if took := ask([]byte("late")); took < 40*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	p.SetDelay(0)
	p.SetRate(100_000)
	if took := ask(make([]byte, 10_000)); took < 100*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	p.SetSilent(true)
	_, _ = c.Write([]byte("nobody hears"))
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes", n)
	}
	p.Reset()
	_ = c.SetReadDeadline(time.Time{})
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("it was not reset")
	}
	p.SetSilent(false)
	p.SetDown(true)
	down, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer down.Close()
	if _, err := down.Read(make([]byte, 1)); err == nil {
		t.Error("a connection works while the proxy is down")
	}
	p.SetDown(false)
	if c, err = net.Dial("tcp", p.Addr()); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask([]byte("again"))
}
