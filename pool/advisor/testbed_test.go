package advisor_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

// A testbed is a schema with faults and a workload. The server is the oracle: what the
// advisor says is run, and the plans and the results of the workload are looked at again.
type testbed struct {
	name   string
	schema string
	role   string // that runs the workload; "" for the owner
	set    string // what it sets before
	faults []fault
}

// fault is something wrong, the statement that suffers from it, and what is to be advised.
type fault struct {
	name  string
	sql   string // "" if no statement shows it
	args  [][]any
	kind  advisor.Kind // "" if there is nothing to advise
	about string       // a regular expression on the action
	// rewritten is the statement as the advice says to write it.
	rewritten string
	seen      string  // what is right where the server has replaced constants: the kind, and the statement
	times     float64 // the cost must fall to this part at least, 2 by default; -1: the advice is none for the statement
}

func each(args ...any) (list [][]any) {
	for _, a := range args {
		list = append(list, []any{a})
	}
	return list
}

// runs are runs without arguments.
func runs(n int) [][]any { return make([][]any, n) }

func TestTestbeds(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	right, all, falseAdvice := 0, 0, 0
	t.Run("beds", func(t *testing.T) { // which returns when all have ended
		for _, bed := range testbeds {
			t.Run(bed.name, func(t *testing.T) {
				t.Parallel()
				conn := counting(t, "hypopg", "pg_trgm")
				config := conn.Config()
				if err := conn.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				r, n, wrong := bed.test(t, config)
				mu.Lock()
				defer mu.Unlock()
				right, all, falseAdvice = right+r, all+n, falseAdvice+wrong
			})
		}
	})
	t.Logf("right action for %d of %d faults, %d false", right, all, falseAdvice)
	if float64(right) < 0.95*float64(all) || falseAdvice > 0 {
		t.Errorf("right action for %d of %d faults, %d false", right, all, falseAdvice)
	}
}

func (bed *testbed) test(t *testing.T, config *pgx.ConnConfig) (right, all, wrong int) {
	ctx := t.Context()
	conn := bed.fill(t, config)
	before := bed.costs(t, conn, false)
	forget(t, conn)
	recorder := advisor.NewRecorder(advisor.RecorderOptions{})
	traced := config.Copy()
	traced.Tracer = recorder
	results := bed.work(t, traced)
	settled(t, conn)
	entries := count(t, conn)
	// What the server alone has seen brings no false advice either.
	for _, f := range analyze(t, conn, advisor.Options{MinShare: 1e-6}).Findings {
		if !slices.ContainsFunc(bed.faults, func(of fault) bool { return of.isAbout(f) }) {
			wrong++
			t.Logf("false without a record: %s: %s: %s", f.Kind, f.Title, f.Evidence)
		}
	}
	report := analyze(t, conn, advisor.Options{MinShare: 1e-6, Record: recorder.Record()})
	if now := count(t, conn); now != entries {
		t.Errorf("pg_stat_statements has grown from %d to %d entries", entries, now)
	}
	if len(report.Missing) > 0 {
		t.Errorf("%q", report.Missing)
	}
	matched := make([]bool, len(report.Findings))
	for _, f := range bed.faults {
		if f.kind == "" {
			continue
		}
		all++
		found := false
		for i, finding := range report.Findings {
			if f.isAbout(finding) {
				found, matched[i] = true, true
			}
		}
		if found {
			right++
		} else {
			t.Logf("no right action: %s", f.name)
		}
	}
	for i, f := range report.Findings {
		t.Logf("%v %s: %s\n\t%s", matched[i], f.Kind, f.Title, f.Action)
		if !matched[i] {
			wrong++
			t.Logf("false: %s: %s: %s", f.Kind, f.Title, f.Evidence)
		}
		for _, sql := range f.SQL {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Errorf("the advice fails: %s: %v", sql, err)
			}
		}
	}
	if _, err := conn.Exec(ctx, "vacuum analyze"); err != nil {
		t.Fatal(err)
	}
	after := bed.costs(t, conn, true)
	for i, f := range bed.faults {
		times := max(f.times, 2)
		if f.kind != advisor.MissingIndex || f.times < 0 {
			continue
		}
		t.Logf("%-40s cost %8.1f -> %8.1f", f.name, before[i], after[i])
		if after[i]*times > before[i] {
			t.Errorf("%s: the cost goes from %.1f to %.1f", f.name, before[i], after[i])
		}
	}
	forget(t, conn)
	if again := bed.work(t, config); !slices.EqualFunc(results, again, slices.Equal) {
		t.Error("other results with the advice")
	}
	return right, all, wrong + bed.left(t, conn)
}

// left counts the findings about indexes that remain once the advice has been followed, except those
// of what the program must change.
func (bed *testbed) left(t *testing.T, conn *pgx.Conn) (wrong int) {
	settled(t, conn)
	for _, f := range analyze(t, conn, advisor.Options{MinShare: 1e-6}).Findings {
		t.Logf("left %s: %s", f.Kind, f.Title)
		switch f.Kind {
		case missing, unused, duplicate:
			if slices.ContainsFunc(bed.faults, func(of fault) bool { return of.seen != "" && of.isAbout(f) }) {
				continue
			}
			wrong++
			t.Logf("false when the advice is followed: %s: %s: %s", f.Kind, f.Title, f.Evidence)
		}
	}
	return wrong
}

// isAbout reports whether a finding is the right one for a fault.
func (f fault) isAbout(finding advisor.Finding) bool {
	return finding.Kind == f.kind && regexp.MustCompile(f.about).MatchString(finding.Action) ||
		f.seen != "" && regexp.MustCompile(f.seen).MatchString(string(finding.Kind)+" "+finding.Statement)
}

// fill makes the schema.
func (bed *testbed) fill(t *testing.T, config *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	filler, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"set synchronous_commit = on", bed.schema, "vacuum analyze"} {
		if _, err := filler.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := filler.Close(ctx); err != nil {
		t.Fatal(err)
	}
	return conn
}

// work runs the workload and returns its results.
func (bed *testbed) work(t *testing.T, config *pgx.ConnConfig) (results [][]string) {
	t.Helper()
	ctx := t.Context()
	worker, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close(context.Background())
	if bed.role != "" {
		if _, err := worker.Exec(ctx, "set role "+bed.role+";"+bed.set); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range bed.faults {
		for _, args := range f.args {
			result, err := worker.Query(ctx, f.sql, append([]any{pgx.QueryExecModeExec}, args...)...)
			if err != nil {
				t.Fatalf("%s: %v", f.sql, err)
			}
			list, err := pgx.CollectRows(result, func(row pgx.CollectableRow) (string, error) {
				values, err := row.Values()
				return fmt.Sprint(values), err
			})
			if err != nil {
				t.Fatalf("%s: %v", f.sql, err)
			}
			if !strings.Contains(f.sql, "order by") {
				slices.Sort(list)
			}
			results = append(results, list)
		}
	}
	return results
}

var totalCost = regexp.MustCompile(`cost=[\d.]+\.\.([\d.]+)`)

// costs are those of the optimizer for the first run of each statement.
func (bed *testbed) costs(t *testing.T, conn *pgx.Conn, rewritten bool) (list []float64) {
	t.Helper()
	ctx := t.Context()
	if bed.role != "" {
		if _, err := conn.Exec(ctx, "set role "+bed.role+";"+bed.set); err != nil {
			t.Fatal(err)
		}
		defer conn.Exec(ctx, "reset role")
	}
	for _, f := range bed.faults {
		cost := 0.0
		if len(f.args) > 0 {
			sql := f.sql
			if rewritten && f.rewritten != "" {
				sql = f.rewritten
			}
			var line string
			err := conn.QueryRow(ctx, "explain "+sql, append([]any{pgx.QueryExecModeSimpleProtocol}, f.args[0]...)...).
				Scan(&line)
			if err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			if _, err := fmt.Sscan(totalCost.FindStringSubmatch(line)[1], &cost); err != nil {
				t.Fatal(err)
			}
		}
		list = append(list, cost)
	}
	return list
}

const ofThisDatabase = "dbid = (select oid from pg_database where datname = current_database())"

// forget resets what is counted of the database.
func forget(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	const sql = "select pg_stat_statements_reset(0, (select oid from pg_database where datname = current_database()), 0)"
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// count is how many statements pg_stat_statements knows.
func count(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	const sql = "select count(*) from pg_stat_statements where " + ofThisDatabase
	for range 2 { // It counts itself the first time.
		if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}
