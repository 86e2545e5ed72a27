// Package fleet runs several instances of the blog on one machine as they run in production: a
// balancer before them, and behind them Postgres with replicas and a limit of connections, PgBouncer
// and a Redis cluster. Under an open load it deploys, kills and breaks what a fleet must stand,
// checks what must hold meanwhile, and writes a page with the timeline. What it shows is how a
// fleet behaves, not how fast it is: the load is a part of what the machine can do.
package fleet
