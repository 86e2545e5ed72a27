package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/benchmarks/load"
	"github.com/gqlboost/gqlboost/internal/npm"
)

const scale = 0.02

// baseline is the first entry, on the testbed that all tests share.
var baseline *field

func TestMain(m *testing.M) {
	code, err := withBaseline(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withBaseline(run func() int) (code int, err error) {
	ctx := context.Background()
	testbed, err := load.OpenTestbed(ctx)
	if err != nil {
		return 0, err
	}
	baseline = &field{testbed: testbed, scale: scale}
	defer func() { err = errors.Join(err, baseline.stop(), testbed.Close()) }()
	if err := baseline.enter(ctx, entries[0]); err != nil {
		return 0, err
	}
	return run(), nil
}

// open returns a field with nothing but the baseline.
func open(t *testing.T) *field {
	t.Helper()
	f := *baseline
	f.compared, f.started, f.contenders = 80, slices.Clone(f.started), slices.Clone(f.contenders)
	t.Cleanup(func() {
		f.started = f.started[1:] // The baseline stays for the other tests.
		if err := f.stop(); err != nil {
			t.Error(err)
		}
	})
	return &f
}

// Each server answers as the baseline does; enter compares.
func TestGoPeersAgree(t *testing.T) {
	f := open(t)
	for _, e := range entries[1:] {
		if !e.node {
			if err := f.enter(t.Context(), e); err != nil {
				t.Error(err)
			}
		}
	}
	if len(f.versions) != len(libraries) {
		t.Errorf("versions %v of %v", f.versions, libraries)
	}
}

func TestNodePeersAgree(t *testing.T) {
	for _, e := range entries {
		if e.node {
			npm.Install(t, "../../../"+e.module+"/"+e.server)
		}
	}
	f := open(t)
	for _, e := range entries[1:] {
		if !e.node {
			continue
		}
		if err := f.enter(t.Context(), e); err != nil {
			t.Error(err)
			continue
		}
		if v := f.versions[len(f.versions)-1]; v.Version == "" {
			t.Errorf("%s: versions %v", e.name, f.versions)
		}
		s := f.started[len(f.started)-1]
		r, err := s.Measure(t.Context(), load.Config{Mix: load.BlogMix(), Clients: 4, Duration: 2 * time.Second, MinRequests: 1}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		// The primary alone would have used next to nothing.
		u := r.Resources
		if r.Errors != 0 || r.Requests == 0 || u.ServerCPU < 100e-6*float64(r.Requests) || u.ServerMemory < 100<<20 {
			t.Errorf("%s: %d requests, errors %v, %+v", e.name, r.Requests, r.ErrorKinds, u)
		}
	}
}

var parameter = regexp.MustCompile(`\$\d+|'[^']*'|\b\d+\b`)

// statements returns the statements that a database has seen since the last call, without
// the numbers of their parameters: pgbench has one for each place, pgx one for each value.
func statements(t *testing.T, conn *pgx.Conn) map[string]bool {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select query from pg_stat_statements
		where query ~* '^(select t1|insert)' and dbid = (select oid from pg_database where datname = current_database())`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, query := range list {
		seen[strings.Join(strings.Fields(parameter.ReplaceAllString(query, "$")), " ")] = true
	}
	if _, err := conn.Exec(t.Context(), "select pg_stat_statements_reset()"); err != nil {
		t.Fatal(err)
	}
	return seen
}

// pgbench sends the statements that examples/direct sends for the same mix.
func TestPGBenchSendsWhatDirectSends(t *testing.T) {
	f := open(t)
	direct := entries[slices.IndexFunc(entries, func(e entry) bool { return e.name == "direct" })]
	if err := f.enter(t.Context(), direct); err != nil {
		t.Fatal(err)
	}
	totals, err := f.started[0].Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bench, err := f.testbed.NewPGBench(totals)
	if err != nil {
		t.Skip(err)
	}
	conn, err := pgx.Connect(t.Context(), f.testbed.Postgres.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "create extension if not exists pg_stat_statements"); err != nil {
		t.Skip("without pg_stat_statements nobody says what was sent: ", err)
	}
	config := load.Config{Mix: load.BlogMix(), Clients: 4, Duration: 4 * time.Second, Warmup: time.Second, Seed: 1, MinRequests: 1}
	var seen [2]map[string]bool
	for i, c := range []load.Contender{f.contenders[1], bench} {
		statements(t, conn)
		r, err := c.Measure(t.Context(), config, t.Output())
		if err != nil {
			t.Fatal(err)
		}
		if r.Errors != 0 || r.Requests == 0 || r.Latency.P50 <= 0 || r.Latency.P99 < r.Latency.P50 {
			t.Errorf("%s: %d requests, errors %v, %+v", c, r.Requests, r.ErrorKinds, r.Latency)
		}
		if u := r.Resources; u.ServerCPU <= 0 || u.PostgresCPU < 20e-6*float64(r.Requests) {
			t.Errorf("%s has cost next to nothing: %+v", c, u)
		}
		for _, o := range r.Operations {
			if o.Requests == 0 {
				t.Errorf("%s has sent no %s", c, o.Name)
			}
		}
		seen[i] = statements(t, conn)
	}
	if len(seen[0]) < 10 || !maps.Equal(seen[0], seen[1]) {
		t.Errorf("direct:\n%s\npgbench:\n%s", lines(seen[0]), lines(seen[1]))
	}
}

func lines(of map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(of)), "\n") }

// What cannot be measured is in the report, with the reason.
func TestAMissingPeerIsSkipped(t *testing.T) {
	f := open(t)
	err := f.enter(t.Context(), entry{name: "ghost", module: peersModule, server: "nothing", node: true})
	f.skip("ghost", err)
	want := []load.Skipped{{Name: "ghost", Reason: fmt.Sprint(err)}}
	if err == nil || !slices.Equal(f.skipped, want) || len(f.contenders) != 1 {
		t.Errorf("%v, skipped %v", err, f.skipped)
	}
}
