package fleet

import (
	"fmt"
	"slices"
	"strings"
)

// What a fleet can be without.
const (
	warm  = "warm"
	lease = "lease"
	drain = "drain"
	retry = "retry"
	tell  = "bus"
	fast  = "fast"
)

// Protections are what can be left out with [Options], and what each of them does. A show without one
// should fail: it shows that the checks can.
var Protections = []struct{ Name, About string }{
	{warm, "new instances parse and validate what the others use before they are ready"},
	{lease, "instances divide the connections of the primary"},
	{drain, "an instance that leaves serves on until the balancer has seen it"},
	{retry, "the balancer sends requests again that were not answered, where that is harmless"},
	{tell, "what changes ends the results that all instances keep"},
	{fast, "the release that is deployed has all blocks that the first one has"},
}

// with reports whether a protection is there.
func (o *Options) with(name string) bool { return !slices.Contains(o.Without, name) }

// check returns an error for a protection that there is not.
func (o *Options) check() error {
	for _, name := range o.Without {
		if !slices.ContainsFunc(Protections, func(p struct{ Name, About string }) bool { return p.Name == name }) {
			return fmt.Errorf("fleet: it has no %q to be without", name)
		}
	}
	return nil
}

// redisFlags are those of an instance.
func (f *fleet) redisFlags() []string {
	var parts []string
	if f.with(warm) {
		parts = append(parts, "uses")
	}
	if f.with(tell) {
		parts = append(parts, "bus")
	}
	return []string{"-redis", strings.Join(f.redis.addresses(), ","), "-redis-every", "1s",
		"-redis-for", strings.Join(parts, ",")}
}

// slower are the flags of a release that has lost all blocks but those that checks look at.
var slower = []string{"-compiled=false", "-dataloader=false", "-stream=false", "-simdjson=false", "-reader=false",
	"-gc=false"}
