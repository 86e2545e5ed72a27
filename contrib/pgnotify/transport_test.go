package pgnotify_test

import (
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/contrib/pgnotify"
	"github.com/gqlboost/gqlboost/internal/proxy"
	"github.com/gqlboost/gqlboost/internal/wait"
	"github.com/gqlboost/gqlboost/plancache/bus"
	"github.com/gqlboost/gqlboost/plancache/bus/bustest"
	"go.uber.org/goleak"
)

func TestTransport(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t, goleak.IgnoreCurrent()) })
	u, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	target := net.JoinHostPort(u.Hostname(), u.Port())
	var networks atomic.Int64
	bustest.Run(t, func(t *testing.T) bustest.Network {
		p, err := proxy.New(target)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		way := *u
		way.Host = p.Addr()
		channel := fmt.Sprint("suite", networks.Add(1))
		return bustest.Network{
			Connect: func(testing.TB) bus.Transport {
				return newBus(t, way.String(), pgnotify.Options{Channel: channel, CheckEvery: time.Second})
			},
			Cut:  func() { p.SetDown(true) },
			Heal: func() { p.SetDown(false) },
			Hang: p.SetSilent,
		}
	})
}

// A migration tells the caches of a link, in its own transaction.
func TestMigration(t *testing.T) {
	link, err := bus.New(newBus(t, server.DSN(), pgnotify.Options{Channel: "migration"}), bus.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	keys, err := link.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	query(t, "select 1 from pg_notify('migration', '*')")
	wait.Until(t, "it is told", func() bool {
		select {
		case key := <-keys:
			return key == "*"
		default:
			return false
		}
	})
}
