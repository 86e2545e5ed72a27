package natsbus

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/contrib/natsbus"
	"github.com/gqlboost/gqlboost/internal/proxy"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a server that is stopped when the test ends.
func start(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s
}

func connect(t testing.TB, address string, more ...nats.Option) *nats.Conn {
	t.Helper()
	options := []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2)}
	conn, err := nats.Connect("nats://"+address, append(options, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func TestBus(t *testing.T) {
	s := start(t)
	bustest.Run(t, func(t *testing.T) bustest.Network {
		p, err := proxy.New(s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		subject := nats.NewInbox() // which no other network uses
		return bustest.Network{
			Connect: func(t testing.TB) bus.Transport { return natsbus.New(connect(t, p.Addr()), subject) },
			Cut:     func() { p.SetDown(true) },
			Heal:    func() { p.SetDown(false) },
			Hang: func(on bool) {
				// Bytes that were swallowed are never followed by others on a connection of TCP. They
				// would be an error of the protocol, at which the client closes for good.
				p.SetDown(!on)
				p.SetSilent(on)
				p.SetDown(false)
			},
		}
	})
}

// Messages that the client drops for a slow subscriber end the subscription.
func TestDropped(t *testing.T) {
	s := start(t)
	// The answer to a ping comes behind half a million messages: who is late is not dead.
	patient := nats.PingInterval(time.Hour)
	conn := connect(t, s.Addr().String(), patient)
	block, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- natsbus.New(conn, "s").Subscribe(t.Context(), func() { close(ready) }, func([]byte) { <-block })
	}()
	<-ready
	publisher := connect(t, s.Addr().String(), patient)
	for range nats.DefaultSubPendingMsgsLimit + 1000 {
		if err := publisher.Publish("s", []byte("m")); err != nil {
			t.Fatal(err)
		}
	}
	if err := publisher.FlushTimeout(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := conn.FlushTimeout(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	close(block)
	if err := <-done; err == nil {
		t.Error("no error for what was dropped")
	}
}

// A short message that still has room hides nothing: at it the client forgets that it has dropped longer ones.
func TestDroppedBeforeAShortOne(t *testing.T) {
	s := start(t)
	patient := nats.PingInterval(time.Hour)
	conn, publisher := connect(t, s.Addr().String(), patient), connect(t, s.Addr().String(), patient)
	block, ready, last, done := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- natsbus.New(conn, "s").Subscribe(t.Context(), func() { close(ready) }, func(message []byte) {
			<-block
			if string(message) == "last" {
				close(last)
			}
		})
	}()
	<-ready
	publish := func(message []byte) {
		t.Helper()
		if err := publisher.Publish("s", message); err != nil {
			t.Fatal(err)
		}
	}
	flush := func() {
		t.Helper()
		for _, c := range []*nats.Conn{publisher, conn} {
			if err := c.FlushTimeout(5 * time.Minute); err != nil {
				t.Fatal(err)
			}
		}
	}
	long := bytes.Repeat([]byte("m"), bus.MaxMessage)
	for i := range nats.DefaultSubPendingBytesLimit/len(long) + 100 {
		publish(long)
		if i%1000 == 0 {
			flush() // The server itself drops a connection that is 64 MB behind.
		}
	}
	publish([]byte("last"))
	flush()
	close(block)
	select {
	case err := <-done:
		if !errors.Is(err, nats.ErrSlowConsumer) {
			t.Errorf("got %v", err)
		}
	case <-last:
		t.Error("the last message has come, and nothing has said that others were dropped")
	}
}

// A connection that is closed takes nothing.
func TestClosed(t *testing.T) {
	conn := connect(t, start(t).Addr().String())
	b := natsbus.New(conn, "")
	conn.Close()
	if err := b.Publish(t.Context(), []byte("m")); err == nil {
		t.Error("published")
	}
	if err := b.Subscribe(t.Context(), func() { t.Error("ready") }, func([]byte) {}); err == nil {
		t.Error("subscribed")
	}
}

// A bus that cannot work refuses each use.
func TestRefused(t *testing.T) {
	for name, b := range map[string]*natsbus.Bus{
		"nil":       natsbus.New(nil, ""),
		`"a.*"`:     natsbus.New(&nats.Conn{}, "a.*"),
		`">"`:       natsbus.New(&nats.Conn{}, ">"),
		`"shop.*.b`: natsbus.New(&nats.Conn{}, "shop.*.b"),
	} {
		subscribed := b.Subscribe(t.Context(), func() { t.Error("ready") }, func([]byte) {})
		for _, err := range []error{subscribed, b.Publish(t.Context(), []byte("m"))} {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
}

// A connection without echo is refused, and the link says why nothing comes.
func TestNoEcho(t *testing.T) {
	conn, err := nats.Connect("nats://"+start(t).Addr().String(), nats.NoEcho())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	link, err := bus.New(natsbus.New(conn, ""), bus.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := link.Ready(ctx); err == nil || !strings.Contains(err.Error(), "NoEcho") {
		t.Errorf("got %v", err)
	}
}
