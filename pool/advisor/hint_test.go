package advisor_test

import (
	"strings"
	"testing"

	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

func TestHint(t *testing.T) {
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for name, c := range map[string]struct{ name, value, fails string }{
		"a setting":         {"enable_nestloop", "off", ""},
		"a cost":            {"random_page_cost", "1.1", ""},
		"a wrong value":     {"work_mem", "much", "invalid value"},
		"a session setting": {"session_authorization", "postgres", "not a planner setting"},
		"a timeout":         {"statement_timeout", "1ms", "not a planner setting"},
		"a cost of JIT":     {"jit_above_cost", "1000", ""},
		"files of JIT":      {"jit_dump_bitcode", "on", "not a planner setting"},
		"SQL":               {"work_mem; drop table x", "1", "not a planner setting"},
		"an unknown one":    {"enable_magic", "on", "enable_magic"},
	} {
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		err = advisor.Hint{Settings: map[string]string{c.name: c.value}}.Apply(ctx, tx)
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			var value string
			if err := tx.QueryRow(ctx, "select current_setting($1)", c.name).
				Scan(&value); err != nil ||
				value != c.value {
				t.Errorf("%s is %q, %v", c.name, value, err)
			}
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Error(err)
		}
	}
	if sql, err := (advisor.Hint{Plan: "HashJoin(a b)"}).Query(
		"select 1",
	); sql != "/*+ HashJoin(a b) */ select 1" ||
		err != nil {
		t.Error(sql, err)
	}
	if _, err := (advisor.Hint{Plan: "x */ drop table y; /*"}).Query("select 1"); err == nil {
		t.Error("a hint ends its comment")
	}
	if sql, err := (advisor.Hint{}).Query("select 1"); sql != "select 1" || err != nil {
		t.Error(sql, err)
	}
}
