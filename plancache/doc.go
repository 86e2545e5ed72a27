// Package plancache keeps what a GraphQL server makes of a query's text: the parsed and
// validated document, or a plan.
//
//	cache, err := plancache.New(plancache.Options[*Plan]{Schema: plancache.HashSchema(sdl)})
//	...
//	plan, err := cache.Load(ctx, plancache.Key{Query: query}, func(ctx context.Context) (*Plan, error) {
//		return planner.Plan(ctx, query)
//	})
//
// As gqlgen's query cache it is used through contrib/gqlgen.QueryCache, which follows the schema.
//
// # Exact
//
// Keys are compared in full: the query, the operation's name and what the caller adds
// ([Key]). Hashes are seeded, and only lead to the entry. A plan is found as soon as it
// was added. A change of the schema ([Cache.SetSchema]) replaces all at once, so no plan
// of another version can be found after it, and nothing that was being built for the old
// version comes into the new one.
//
// # Eviction
//
// A full cache takes every new plan in, for a short while, and keeps it if it is used more
// than the least of the others: see policy.go. Queries that come once do not push out what
// is used all the time; when what is used changes, the cache notices that new plans are asked
// for sooner (duels.go). A plan that took long to build is kept rather than one that did
// not. A hit takes no lock and writes nothing that other cores read, but for a count now
// and then. Plans are bounded by number and by bytes.
//
// # Time to live
//
// The time to live is the plan's: it goes on in the second level, in files and in the next
// version of the schema.
//
// # Callbacks
//
// Functions of a configuration may call the cache, panic or block. Nobody waits for OnEvict
// for more than 50 ms, for a Store for more than StoreTimeout, or for Close for more than a
// second. A build that waits for itself gets [ErrCycle].
//
// # Builds
//
// [Cache.Load] builds a plan once, however many wait for it. Options.StaleFor serves what
// is just over, while it is built again. [Cache.Warm] builds beforehand, [Cache.Save] and
// [Cache.Restore] take plans over a restart, and Options.Store shares them in a fleet: what
// one instance has built, the others fetch. If the store fails, plans are built as without
// it. With Options.Normalize texts that differ in layout share a plan; [Relocate] makes the
// places in its errors fit each client's text.
//
// # Fleets
//
// Where many instances start at the same time, as in a deploy, Options.Lease has one of them
// build what all need. [Cache.Share] tells the fleet, from time to time and in the background,
// what is used; [Cache.WarmShared] takes what is used most from it before an instance is ready, by
// the version of the schema, and from older versions where that is new: their texts, never their
// plans. Both work for [Results] and [Persisted] as well.
//
// # Beside plans
//
// [Persisted] keeps texts by their hash, registered by clients or from a list of trusted
// documents. [Results] caches whole results, where those may be cached, with tags that end
// them in the whole fleet. Both are large and lossy where [Cache] is small and exact: they
// are built on ristretto behind a front that finds what is new.
package plancache
