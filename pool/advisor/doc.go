// Package advisor says which statements, indexes and access patterns of a database to fix,
// and what to do first, from evidence:
//
//	report, err := advisor.Analyze(ctx, db, advisor.Options{Record: recorder.Record()})
//	report.WriteText(os.Stdout)
//
// It reads what Postgres counts (pg_stat_statements, the statistics of tables and
// indexes), what a [Recorder] has seen on the side of the client (latency, callers, how
// often a request repeats a statement), and the plans that the optimizer makes. Index
// advice is tried with the extension hypopg, where it is installed: only indexes whose
// plans the optimizer really takes are advised, and of these only what the whole workload
// gains by more than its writes lose.
//
// # What it does to the database
//
// It changes nothing, unless a function that a SELECT calls has effects outside of its
// transaction and [Options.Execute] is set. Everything runs in one read-only transaction
// with a timeout for each statement; statements are planned but not executed, unless
// [Options.Execute] says so. Only [Snapshot.Save] writes, to the table that it is told.
//
// pg_stat_statements counts nothing of it where the role may set pg_stat_statements.track
// (superusers, and from version 15 on who was granted SET on it), on a direct connection. Of
// other roles, and behind poolers, it counts some dozens of texts, which are the same in each run.
//
// # Rights
//
// A role with pg_monitor sees all counters; to plan statements Postgres asks for the right
// to read their tables (pg_read_all_data), and [Report.Missing] says what could not be
// looked at and why. Statements are planned with the search_path of the role that has run
// them, if one is set for the role, else with that of the connection. Where tables have row
// level security, statements are planned as the role that has run them, or as
// [Options.Role]; the advisor's role must be a member of it. If it is not, and policies show it
// no rows, [Report.Blind] says so. PostgreSQL 14 to 18.
//
// # What it writes down
//
// Reports have texts of statements in them, but no values: of a recorded parameter not
// even the plan's conditions are shown. A [Record] has samples of parameters, unless
// [RecorderOptions.NoSamples] is set.
package advisor
