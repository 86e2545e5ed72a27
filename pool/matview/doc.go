// Package matview keeps a materialized view fresh:
//
//	r, err := matview.New(db, matview.Config{View: "post_counts", Every: time.Minute})
//	go r.Run(ctx)
//
// Many instances of a program may run it: together they refresh the view once per interval.
// Readers are not blocked (REFRESH ... CONCURRENTLY). It works behind PgBouncer in any mode
// that has transactions, and keeps nothing: no table, no session, no connection between two
// refreshes.
//
// # How instances share the work
//
// A refresh is one transaction: it takes an advisory lock of the transaction, looks whether
// the view has been refreshed meanwhile, and refreshes it. Whatever becomes of the instance,
// its connection or its place in a pool, the lock goes with the transaction.
//
// Who refreshed last needs no table: each refresh, by anybody, writes the view's row of
// pg_class, so the transaction that wrote it (xmin) names the last refresh. An instance looks
// at it a few times per interval, and refreshes a view that has not changed for an interval,
// as measured by its own clock from when it saw the last change. The instance that refreshed
// last has known of it before all others, so it is the first to refresh again, unless it is
// gone: the others let it have a quarter of an interval, a minute at most. A refresh by hand
// or by cron counts as well, and so does what else writes the row, as GRANT and ALTER.
//
// So two refreshes are never closer than an interval, with one exception: an instance that
// starts cannot know the age of the view, see [Config.Patience].
package matview
