package advisor

import (
	"context"
	"fmt"
	"strings"
)

// preparedName is the name of what is planned.
const preparedName = "gqlboost_advisor"

// explaining says how a statement is planned.
type explaining struct {
	sql     string    // the statement's text, or that with constants for some parameters
	bound   bool      // for the values, instead of for any
	values  []*string // of the parameters
	execute bool
	setting string    // what is set before, as SQL
	read    *[]uint32 // gets the IDs of the tables that are read, also through views; nil: not wanted
}

// explain returns a plan. The statement is prepared with the protocol, which takes one
// statement only, and so works in the same way for all versions, unlike GENERIC_PLAN.
// Values go through settings, so that EXPLAIN's text has none of them, and is the same for
// all statements with parameters of the same types: pg_stat_statements counts it as one.
func (a *analysis) explain(ctx context.Context, s *statement, e explaining) (plan *node, err error) {
	conn := a.tx.Conn().PgConn()
	err = a.savepoint(ctx, func() error {
		if err := a.asApplication(ctx, s); err != nil {
			return err
		}
		if _, err := conn.Prepare(ctx, preparedName, e.sql, s.text.types); err != nil {
			return err
		}
		arguments, err := a.arguments(ctx, s, e)
		if err != nil {
			return err
		}
		if err := conn.Exec(ctx, a.settings(e)).Close(); err != nil {
			return err
		}
		how := "explain (format json, verbose) execute "
		if e.execute {
			how = "explain (analyze, buffers, timing off, format json, verbose) execute "
		}
		result := conn.ExecParams(ctx, how+preparedName+arguments, nil, nil, nil, nil).Read()
		if result.Err != nil {
			return result.Err
		}
		var text []byte
		for _, row := range result.Rows {
			text = append(append(text, row[0]...), '\n')
		}
		if plan, err = parsePlan(text); err != nil || e.read == nil {
			return err
		}
		// What is planned is locked, until the savepoint is undone.
		return a.tx.QueryRow(ctx, `select `+ourOwn+` array_agg(relation) from pg_locks
			where locktype = 'relation' and pid = pg_backend_pid()`).Scan(e.read)
	})
	if !conn.IsClosed() && conn.TxStatus() == 'T' {
		_ = conn.Deallocate(ctx, preparedName) // It may not be there.
	}
	if err != nil {
		return nil, err
	}
	if e.bound {
		plan.values = e.values
	}
	return plan, nil
}

// settings is what is set for a plan.
func (a *analysis) settings(e explaining) string {
	sql := "set local plan_cache_mode = force_generic_plan"
	if e.bound {
		sql = "set local plan_cache_mode = force_custom_plan"
	}
	if a.options.TestData {
		sql += "; set local enable_seqscan = off"
	}
	if e.setting != "" {
		sql += "; " + e.setting
	}
	return sql
}

// castName is a type's name for a cast. It does not depend on the search path, and a cast to it
// keeps all of a value: format_type's "character" is character(1) in a cast.
const (
	castName = `format('%I.%I', tn.nspname, t.typname)`
	typesOf  = ` from pg_type t join pg_namespace tn on tn.oid = t.typnamespace`
)

// arguments returns those of EXECUTE: nulls for any, or the settings that have the values.
func (a *analysis) arguments(ctx context.Context, s *statement, e explaining) (string, error) {
	if e.bound && len(e.values) != len(s.text.types) {
		return "", fmt.Errorf("the sample has %d values for %d parameters", len(e.values), len(s.text.types))
	}
	var list []string
	for i, oid := range s.text.types {
		if !e.bound || e.values[i] == nil {
			list = append(list, "null")
			continue
		}
		name, ok := a.typeNames[oid]
		if !ok {
			sql := "select " + ourOwn + " " + castName + typesOf + " where t.oid = $1"
			if err := a.tx.QueryRow(ctx, sql, oid).Scan(&name); err != nil {
				return "", err
			}
			a.typeNames[oid] = name
		}
		setting := fmt.Sprintf("gqlboost_advisor.p%d", i+1)
		if err := a.set(ctx, setting, *e.values[i]); err != nil {
			return "", err
		}
		list = append(list, "cast(current_setting('"+setting+"') as "+name+")")
	}
	if list == nil {
		return "", nil
	}
	return "(" + strings.Join(list, ", ") + ")", nil
}
