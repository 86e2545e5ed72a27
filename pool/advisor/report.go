package advisor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is what a finding is about.
type Kind string

const (
	MissingIndex        Kind = "missing index"
	UnusedIndex         Kind = "unused index"
	DuplicateIndex      Kind = "duplicate index"
	RedundantIndex      Kind = "redundant index" // its columns are the first of another
	BloatedIndex        Kind = "bloated index"
	InvalidIndex        Kind = "invalid index"
	SequentialScan      Kind = "sequential scan" // that discards most rows, and no index that we know helps
	PatternScan         Kind = "pattern scan"    // LIKE that no ordinary index serves
	Misestimate         Kind = "misestimate"
	CorrelatedColumns   Kind = "correlated columns"
	Spill               Kind = "spill"
	NestedLoop          Kind = "nested loop" // over many rows
	UnboundedResult     Kind = "unbounded result"
	LargeOffset         Kind = "large offset"
	LimitNotPushed      Kind = "limit not pushed down"
	RepeatedStatement   Kind = "repeated statement" // N+1
	StaleStatistics     Kind = "stale statistics"
	UnindexedForeignKey Kind = "unindexed foreign key"
	RepeatedAggregate   Kind = "repeated aggregate" // a materialized view
)

// Finding is something to fix.
type Finding struct {
	Kind  Kind   `json:"kind"`
	Title string `json:"title"`
	// Evidence is what it was found by.
	Evidence []string `json:"evidence"`
	// Action is what to do: SQL, or what to change in the program.
	Action string `json:"action"`
	// SQL are the statements of the action, to be run in this order, each on its own and not
	// in a transaction. The server has tried their syntax.
	SQL []string `json:"sql,omitempty"`
	// Rewrite is a condition that a statement must have for an advised index.
	Rewrite string `json:"rewrite,omitempty"`
	// Risk is what the action may do besides.
	Risk string `json:"risk"`
	// Saving is how much of the statements' time would have been saved, 0 if that is not
	// known.
	Saving time.Duration `json:"saving"`
	// Time is what the statement that the finding is about has taken in all, 0 if there is
	// none.
	Time time.Duration `json:"time,omitempty"`
	// Bytes is the disk space that is saved, or taken if it is negative.
	Bytes int64  `json:"bytes,omitempty"`
	Table string `json:"table,omitempty"`
	Index string `json:"index,omitempty"`
	// Definition is an advised index, as it stands behind the name of the table.
	Definition string `json:"definition,omitempty"`
	// Before and After are what a run of the statement takes, as it is and as the optimizer
	// expects it to be; 0 if that is not known.
	Before time.Duration `json:"before,omitempty"`
	After  time.Duration `json:"after,omitempty"`
	// Helps are the statements that an advised index helps, the dearest first.
	Helps     []Helped `json:"helps,omitempty"`
	Request   string   `json:"request,omitempty"`   // that repeats the statement
	Statement string   `json:"statement,omitempty"` // its text
	QueryID   int64    `json:"queryID,omitempty"`   // that of pg_stat_statements
	// Verified tells that the optimizer takes an index that is advised. It is tried with
	// hypopg, which knows B-trees and BRIN only.
	Verified bool `json:"verified,omitempty"`
	// Hint is what helps a statement until it is fixed, or instead.
	Hint *Hint `json:"hint,omitempty"`
}

// run makes statements the action.
func (f *Finding) run(sql ...string) {
	f.SQL, f.Action = sql, strings.Join(sql, ";\n")+";"
}

// Helped is a statement that an advised index helps, and what a run of it takes.
type Helped struct {
	SQL     string        `json:"sql"`
	QueryID int64         `json:"queryID,omitempty"`
	Before  time.Duration `json:"before"`
	After   time.Duration `json:"after"`
}

// Key names the finding, the same in each report: for [Report.Check].
func (f Finding) Key() string {
	statement := f.Statement
	if f.Kind == MissingIndex {
		statement = "" // Today another one may be the dearest.
	}
	return strings.Join([]string{string(f.Kind), f.Table, f.Index + f.Definition, f.Request, key(statement)}, "|")
}

// StatementStats are what is known of a statement that took time.
type StatementStats struct {
	QueryID int64  `json:"queryID,omitempty"`
	SQL     string `json:"sql"`
	// Counters are what Postgres has counted; Calls is 0 if it was not asked.
	Counters
	Mean time.Duration `json:"mean"` // of Total
	// Client is what the program has seen, nil if it has not.
	Client *ClientStats `json:"client,omitempty"`
}

// cost is the time that it took, as Postgres counts it if it does.
func (s StatementStats) cost() time.Duration {
	if s.Calls == 0 && s.Client != nil {
		return s.Client.Total
	}
	return s.Total
}

// calls is how often it was run.
func (s StatementStats) calls() int64 {
	if s.Calls == 0 && s.Client != nil {
		return s.Client.Calls
	}
	return s.Calls
}

// mean is what a run took.
func (s StatementStats) mean() time.Duration { return s.cost() / time.Duration(max(s.calls(), 1)) }

// Report is what [Analyze] returns. It can be written as JSON, and read again.
type Report struct {
	At       time.Time `json:"at"`
	Server   string    `json:"server"`
	Database string    `json:"database"`
	Replica  bool      `json:"replica,omitempty"` // it is one, and counts what it runs only
	// Since is when the counters began to count; zero if that is not known.
	Since time.Time `json:"since"`
	// Total is the time of all statements since then.
	Total time.Duration `json:"total"`
	// Findings, in the order of their groups, and in each those that save the most time first.
	Findings []Finding `json:"findings"`
	// Statements, those that took the most time first.
	Statements []StatementStats `json:"statements"`
	// Missing is what could not be looked at, and what to do about it.
	Missing []string `json:"missing"`
	// Unplanned is the time of statements that are not looked at, see Missing.
	Unplanned time.Duration `json:"unplanned,omitempty"`
	// Blind is why the report says too little for a pipeline to pass: rights or evidence
	// are missing.
	Blind []string `json:"blind,omitempty"`
}

func (r *Report) add(f Finding) { r.Findings = append(r.Findings, f) }

// finish orders what was found.
func (r *Report) finish(statements []*statement, total time.Duration) {
	r.Total = total
	for _, s := range statements {
		r.Statements = append(r.Statements, s.StatementStats)
	}
	subjects := r.subjects()
	for _, s := range r.Statements {
		text := key(s.SQL)
		for i := range r.Findings {
			if subjects[i].has(s.QueryID, text) {
				r.Findings[i].Time += s.cost()
			}
		}
	}
	r.order()
	r.Missing = distinct(r.Missing)
	r.Blind = distinct(r.Blind)
}

// distinct drops what was there before, and keeps the order.
func distinct(list []string) (kept []string) {
	for _, s := range list {
		if !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// share writes how much of a total a part is.
func share(part, total time.Duration) string {
	if total <= 0 {
		return "0 %"
	}
	p := 100 * float64(part) / float64(total)
	if p > 0 && p < 0.1 {
		return "< 0.1 %"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + " %"
}

// count writes a number for people.
func count(n float64) string {
	switch {
	case n >= 10e6:
		return fmt.Sprintf("%.0fM", n/1e6)
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 10_000:
		return fmt.Sprintf("%.0fk", n/1e3)
	}
	return fmt.Sprintf("%.0f", n)
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", (n+1023)/1024)
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// short writes a duration for people.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}

// oneLine shortens a statement.
func oneLine(sql string, most int) string {
	return shortened(strings.Join(strings.Fields(sql), " "), most)
}
