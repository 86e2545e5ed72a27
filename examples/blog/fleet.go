package main

import (
	"log"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/gqlboost/gqlboost/plancache"
	"github.com/gqlboost/gqlboost/plancache/bus"
)

// A result that has changed is shown for busBeat at most, if a message was lost, and for busSilence
// and busBlind together while Redis cannot be reached.
const (
	busBeat    = time.Second
	busSilence = 3 * time.Second
	busBlind   = 2 * time.Second
)

// redisOptions say what instances share, and where.
type redisOptions struct {
	addresses string        // with commas; "" for nothing
	parts     string        // what is shared: uses, bus
	every     time.Duration // how often uses are told
}

// fleet is what instances share.
type fleet struct {
	uses plancache.Uses // without a Ranking if they share none
	link *bus.Link      // nil if they share none
	end  func()         // ends it, when nothing uses it any more
}

// openFleet joins the others. If Redis is down, the instance starts cold and on its own, and joins
// when Redis is there.
func openFleet(o redisOptions) (*fleet, error) {
	if o.addresses == "" {
		return &fleet{end: func() {}}, nil
	}
	addresses := strings.Split(o.addresses, ",")
	r := connect(rueidis.ClientOption{InitAddress: addresses, DisableCache: true})
	f := &fleet{end: r.close}
	if strings.Contains(o.parts, "uses") {
		f.uses = plancache.Uses{Ranking: r, Every: o.every}
	}
	if !strings.Contains(o.parts, "bus") {
		return f, nil
	}
	var err error
	// The nodes of a cluster may lose each other; one server fails for all.
	f.link, err = bus.New(r, bus.Options{Beat: busBeat, Silence: busSilence, BlindFor: busBlind,
		TrustSilence: len(addresses) == 1, OnError: func(err error) { log.Print(err) }})
	if err != nil {
		r.close()
		return nil, err
	}
	f.end = func() {
		if err := f.link.Close(); err != nil {
			log.Print(err)
		}
		r.close()
	}
	return f, nil
}
