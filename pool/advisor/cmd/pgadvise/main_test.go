package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/postgres"
	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

var server *postgres.Server

func TestMain(m *testing.M) { os.Exit(postgres.Main(m, func(s *postgres.Server) { server = s })) }

// A pipeline fails for what is new, and only for that.
func TestCheck(t *testing.T) {
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create table t (id int primary key, x int); insert into t values (1, 2)"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	record := func(statements ...string) {
		r := &advisor.Record{}
		for _, sql := range statements {
			r.Statements = append(
				r.Statements,
				advisor.Recorded{SQL: sql, ClientStats: advisor.ClientStats{Calls: 1, Total: time.Millisecond}},
			)
		}
		f, err := os.Create(file("record"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Write(f), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	check := func(args ...string) error {
		out.Reset()
		return run(
			ctx,
			append(append([]string{"-check", "-test-data", "-record", file("record")}, args...), server.DSN()),
			&out,
		)
	}
	record("select * from t where id = $1")
	if err := check("-json", file("before"), "-html", file("page")); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	record("select * from t where id = $1", "select * from t where x = $1")
	if err := check(
		"-before",
		file("before"),
		"-json",
		file("after"),
	); !errors.Is(err, errFound) ||
		!strings.Contains(out.String(), "New, and a reason to fail:\n- missing index: t") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := check("-before", file("after")); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	data, err := os.ReadFile(file("after"))
	var report advisor.Report
	if err := errors.Join(err, json.Unmarshal(data, &report)); err != nil || len(report.Findings) != 1 {
		t.Errorf("%v %+v", err, report.Findings)
	}
	if page, err := os.ReadFile(file("page")); err != nil || !bytes.Contains(page, []byte("<!doctype html>")) {
		t.Errorf("%v %s", err, page)
	}
	if err := run(ctx, []string{"-snapshot", file("snapshot"), server.DSN()}, &out); err != nil {
		t.Error(err)
	}
	if err := run(ctx, []string{"-since", file("snapshot"), server.DSN()}, &out); err != nil {
		t.Error(err)
	}
}

// A budget is one, however large it is.
func TestStorage(t *testing.T) {
	for arg, want := range map[string]int64{"3": 3 << 20, "8796093022208": math.MaxInt64 >> 20 << 20} {
		o, err := parse([]string{"-storage", arg}, io.Discard)
		if err != nil || o.Storage != want {
			t.Errorf("%s: %+v %v", arg, o, err)
		}
	}
}

func TestErrors(t *testing.T) {
	var out bytes.Buffer
	for _, each := range []struct {
		args []string
		want string
	}{
		{[]string{"-nonsense"}, flag.ErrHelp.Error()},
		{[]string{"a", "b"}, flag.ErrHelp.Error()},
		{[]string{"-record", "/nowhere"}, "/nowhere"},
		{[]string{"-since", os.Args[0], server.DSN()}, "snapshot"},
		{[]string{"-html", "/nowhere/page", server.DSN()}, "/nowhere/page"},
		{[]string{"postgres://127.0.0.1:1/x"}, "connect"},
	} {
		if err := run(t.Context(), each.args, &out); err == nil || !strings.Contains(err.Error(), each.want) {
			t.Errorf("%v: %v", each.args, err)
		}
	}
}

// Help is an answer, not a failure.
func TestHelp(t *testing.T) {
	for _, flag := range []string{"-help", "--help", "-h"} {
		var out bytes.Buffer
		if err := run(t.Context(), []string{flag}, &out); !errors.Is(err, errHelp) {
			t.Error(err)
		}
		for _, want := range []string{"Exit codes:", "pg_monitor", "-history", "pgadvise -html", "-storage"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: the help has no %s", flag, want)
			}
		}
	}
}

// A pipeline does not pass where nothing is seen.
func TestCheckFailsClosed(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"-check", server.DSN()}, &out)
	if err == nil || errors.Is(err, errFound) || !strings.Contains(err.Error(), "too little is seen") ||
		!strings.Contains(err.Error(), "pg_stat_statements") {
		t.Error(err)
	}
}

// Reports are about the time since the first snapshot of a history, in a file and in a
// table.
func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	for _, flags := range [][]string{{"-history", file}, {"-history-table", "advice_history"}} {
		for run1 := range 3 {
			var out bytes.Buffer
			if err := run(t.Context(), append(flags, "-json", file+".json", server.DSN()), &out); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(file + ".json")
			var report advisor.Report
			if err := errors.Join(err, json.Unmarshal(data, &report)); err != nil {
				t.Fatal(err)
			}
			if since := report.At.Sub(report.Since); run1 > 0 && (report.Since.IsZero() || since > time.Hour) {
				t.Errorf("%v: run %d is about the time since %v", flags, run1, report.Since)
			}
		}
	}
	data, err := os.ReadFile(file)
	if err != nil || bytes.Count(data, []byte("\n")) != 3 {
		t.Errorf("%s %v", data, err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-history", file, "-since", file, server.DSN()}, &out); err == nil {
		t.Error("-since and -history go together")
	}
}
