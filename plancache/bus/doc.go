// Package bus carries invalidations between the caches of a fleet, over whatever the fleet
// has: Redis, Valkey, Postgres, NATS, Kafka.
//
//	link, err := bus.New(redisstore.NewBus(client, ""), bus.Options{})
//	...
//	results, err := plancache.NewResults(plancache.ResultsOptions{Invalidator: link, ...})
//	persisted, err := plancache.OpenPersisted(plancache.PersistedOptions{Invalidator: link})
//
// A [Transport] has two methods, publish and subscribe. It may lose messages, send them
// twice and break. A [Link] makes of it an invalidator (plancache.Invalidator) for all
// caches of a process, which notices what the transport does not report.
//
// # What is noticed
//
// Each link has an origin, a random name, and numbers its messages. Now and then it sends
// a beat, which has the number of its last message. So its peers notice
//   - a gap: a message has not come, at the next beat at the latest;
//   - a peer whose beats do not come: it has crashed, or one of both is cut off. Keys do not count: they
//     may have been on their way for long;
//   - their own silence: their own beats do not come back to them. Then they subscribe again.
//
// Beats also say how old the last message is, so that who has just joined knows whether it
// was sent before. No clocks of different machines are compared.
//
// # What happens then
//
// After a gap, or when the transport is back, what is cached may be stale, and nobody knows
// what: all caches lose all ("*"). While a link is blind, which is when the transport is down
// or a peer is silent, caches lose all each [Options.BlindFor]. What could not be published
// is kept and published later, and the caller of Delete has an error nevertheless.
//
// So, with a transport that delivers at once, a value that was changed at some time, and whose
// invalidation was published then, is served for no longer than
//
//	Beat                   after a message was lost on a link that works
//	Silence + BlindFor     after a link was cut, however long that takes
//	its time to live       if BlindFor is [Forever], or a peer was cut off for longer than Forget
//
// # Keys
//
// A key is of letters, digits and colons, below 100 bytes, and may end with an asterisk. It
// says what is meant: a plan, a result, a tag, a text, all of a version of the schema, or all
// that there is. Caches make the keys; a link only carries them.
//
// # Regions
//
// Each region has a cluster of its own, and a [Bridge] carries messages between two of them,
// beats included: so gaps and silence are noticed from end to end, whatever has failed in
// between. A message has its path through regions with it, and is not taken back to where it
// was, also with several bridges.
//
// # Trust
//
// Whatever can publish on a transport can empty caches, and can speak in the name of others: a beat of a
// peer that is gone, or one with a number far ahead, hides what was lost of it, until the time to
// live of what is cached. Nothing that is published adds to a cache. What is not a message is refused and
// counted. What is a message of a later version of this package empties caches: it may have been an
// invalidation.
package bus
