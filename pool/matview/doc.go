// Package matview keeps a materialized view fresh:
//
//	r, err := matview.New(db, matview.Options{View: "post_counts", Every: time.Minute})
//	go r.Run(ctx)
//
// Many instances of a program may run it. Together they refresh the view once per interval.
// Readers are not blocked (REFRESH ... CONCURRENTLY). It works on direct connections and
// behind PgBouncer in session and transaction mode. It keeps nothing between two refreshes:
// no table, no session, no connection.
//
// # How instances share the work
//
// A refresh is one transaction. It takes a transaction-level advisory lock, checks that no
// other instance has refreshed the view in the meantime, and refreshes it. The lock ends with
// the transaction, so a killed instance, a lost connection or a pooler cannot leave it behind.
//
// Every refresh writes the view's row of pg_class, so the row's xmin identifies the last
// refresh by any instance. Each instance reads it four to eight times per interval, and at
// least once a minute. It refreshes the view when the row has not changed for an interval, by
// the instance's own clock. The instance that refreshed last knows of that refresh first, so
// it is normally the next one to refresh: it leads. The others wait for another quarter of an
// interval, a minute at most, before one of them takes over. Refreshes by hand or by cron count
// too. So does every other change of the row, such as GRANT and ALTER.
//
// Two refreshes are therefore never closer than an interval, with one exception: an instance
// that starts does not know the age of the view, see [Options.Patience].
package matview
