package advisor

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// table is what Postgres knows of a table.
type table struct {
	oid          uint32
	schema, name string
	sql          string  // its name, qualified and quoted
	title        string  // its name for people: without the schema if that is public
	rows         float64 // as of the last analysis; -1 if there was none
	pages        int64
	live         int64
	inserted     int64
	updated      int64
	hot          int64 // updates that no index had to be told of
	deleted      int64
	modified     int64 // since the last analysis
	analyzed     *time.Time
	autovacuum   bool
	parent       *table   // the partitioned table that it is a part of
	parts        []*table // of a partitioned table
	kind         string   // as pg_class has it: p is a partitioned table
	secured      bool     // it has row level security
	policies     []clause // that rows must pass, of all roles
	columns      map[string]*column
	byNumber     map[int16]*column
}

// column is what Postgres knows of a column.
type column struct {
	number   int16
	name     string
	sql      string // its name, quoted
	notNull  bool
	kind     string  // its type, without a length; the base type of a domain
	castName string  // its type's name for a cast
	width    int     // of its values in bytes; 0 if it is not known
	distinct float64 // different values; 0 if it is not known
	ordered  float64 // how much the rows lie in its order, from -1 to 1
}

func (t *table) String() string { return t.title }

// size is how many rows it has.
func (t *table) size() float64 { return max(float64(t.live), t.rows) }

// whole is the table that people know: the partitioned one, if it is a part of one.
func (t *table) whole() *table {
	for t.parent != nil {
		t = t.parent
	}
	return t
}

// sum adds the parts' numbers to those of a partitioned table, for which Postgres counts
// nothing.
func (t *table) sum() {
	rows := 0.0
	for _, part := range t.parts {
		part.sum()
		rows += max(part.rows, 0)
		t.pages += part.pages
		t.live += part.live
		t.inserted += part.inserted
		t.updated += part.updated
		t.hot += part.hot
		t.deleted += part.deleted
	}
	if t.kind == "p" {
		t.rows = max(t.rows, rows)
	}
}

// notOurs leaves out the schemas of the system.
const notOurs = ` not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname not like 'pg_temp%' and n.nspname not like 'pg_toast_temp%'`

func (a *analysis) readTables(ctx context.Context) error {
	a.tables = map[string]*table{}
	rows, err := a.tx.Query(ctx, `select `+ourOwn+` c.oid, n.nspname, c.relname, c.reltuples, c.relpages,
			coalesce(s.n_live_tup, 0), coalesce(s.n_tup_ins, 0), coalesce(s.n_tup_upd, 0), coalesce(s.n_tup_del, 0), coalesce(s.n_mod_since_analyze, 0),
			coalesce(s.n_tup_hot_upd, 0), greatest(s.last_analyze, s.last_autoanalyze), not coalesce('autovacuum_enabled=false' = any(c.reloptions), false),
			coalesce((select inhparent from pg_inherits where inhrelid = c.oid and c.relispartition), 0::oid),
			c.relkind::text, format('%I.%I', n.nspname, c.relname),
				case when n.nspname = 'public' then quote_ident(c.relname) else format('%I.%I', n.nspname, c.relname) end,
			c.relrowsecurity
		from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_user_tables s on s.relid = c.oid
		where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't' and n.nspname`+notOurs)
	if err != nil {
		return err
	}
	byOID, parents := map[uint32]*table{}, map[uint32]uint32{}
	var t table
	var parent uint32
	_, err = pgx.ForEachRow(
		rows,
		[]any{
			&t.oid, &t.schema, &t.name, &t.rows, &t.pages, &t.live, &t.inserted, &t.updated, &t.deleted,
			&t.modified, &t.hot, &t.analyzed, &t.autovacuum, &parent, &t.kind, &t.sql, &t.title, &t.secured,
		},
		func() error {
			found := t
			found.columns, found.byNumber = map[string]*column{}, map[int16]*column{}
			a.tables[t.schema+"."+t.name] = &found
			byOID[t.oid], parents[t.oid] = &found, parent
			return nil
		},
	)
	if err != nil {
		return err
	}
	for oid, t := range byOID {
		if t.parent = byOID[parents[oid]]; t.parent != nil {
			t.parent.parts = append(t.parent.parts, t)
		}
	}
	for _, t := range byOID {
		slices.SortFunc(t.parts, func(x, y *table) int { return cmp.Compare(x.oid, y.oid) })
		if t.parent == nil {
			t.sum()
		}
	}
	return a.readColumns(ctx, byOID)
}

// baseType is the type that a domain is of, which may be one of another domain.
const baseType = `(with recursive base as (select t.typbasetype as oid
	union all select d.typbasetype from base join pg_type d on d.oid = base.oid and d.typtype = 'd')
	select base.oid from base join pg_type last on last.oid = base.oid where last.typtype <> 'd')`

// readColumns reads the columns of tables. pg_stats says nothing of one that we may not read.
func (a *analysis) readColumns(ctx context.Context, byOID map[uint32]*table) error {
	rows, err := a.tx.Query(
		ctx,
		`select `+ourOwn+
			` c.oid, att.attnum, att.attname, format_type(case t.typtype when 'd' then `+baseType+` else t.oid end, null),
			`+castName+`, coalesce(s.avg_width, greatest(att.attlen, 0)),
			coalesce(s.n_distinct, 0), quote_ident(att.attname), att.attnotnull, coalesce(s.correlation, 0)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute att on att.attrelid = c.oid
			and att.attnum > 0 and not att.attisdropped
		join pg_type t on t.oid = att.atttypid join pg_namespace tn on tn.oid = t.typnamespace
		left join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = att.attname
			and s.inherited = (c.relkind = 'p')
		where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't' and n.nspname`+notOurs,
	)
	if err != nil {
		return err
	}
	var oid uint32
	var each column
	_, err = pgx.ForEachRow(
		rows,
		[]any{
			&oid, &each.number, &each.name, &each.kind, &each.castName, &each.width, &each.distinct, &each.sql,
			&each.notNull, &each.ordered,
		},
		func() error {
			t := byOID[oid]
			if t == nil {
				return nil
			}
			found := each
			if found.distinct < 0 { // a share of the rows
				found.distinct *= -max(t.rows, 0)
			}
			t.columns[found.name] = &found
			t.byNumber[found.number] = &found
			return nil
		},
	)
	return err
}

// findStale looks for tables about which the optimizer is wrong.
func (a *analysis) findStale() {
	for _, t := range a.tables {
		size := t.size()
		if size < smallTable {
			continue
		}
		var evidence string
		switch {
		case t.rows < 0 || t.analyzed == nil && float64(t.modified) >= size/5:
			evidence = fmt.Sprintf("%s was never analyzed and has %s rows", t, count(size))
		case float64(t.modified) >= size/5 && !t.filledAtOnce():
			evidence = fmt.Sprintf(
				"%s of %s rows of %s have changed since %s, when it was analyzed",
				count(float64(t.modified)),
				count(size),
				t,
				date(*t.analyzed),
			)
		default:
			continue
		}
		f := Finding{
			Kind: StaleStatistics, Table: t.String(), Title: "The statistics of " + t.String() + " are out of date",
			Evidence: []string{evidence},
			Risk:     "ANALYZE reads a sample of the table and blocks nobody. Plans may change.",
		}
		f.run("ANALYZE " + t.sql)
		if !t.autovacuum {
			f.Evidence = append(f.Evidence, "autovacuum, which would do it, is switched off for the table")
			f.run(f.SQL[0], "ALTER TABLE "+t.sql+" RESET (autovacuum_enabled)")
		}
		a.report.add(f)
	}
}

// filledAtOnce reports whether a table was analyzed in the session that has filled it: the
// session counts its rows later, as modified and once more as live, but the optimizer
// knows them.
func (t *table) filledAtOnce() bool {
	near := func(rows int64) bool { return math.Abs(t.rows-float64(rows)) < t.rows/10 }
	return t.analyzed != nil && t.updated+t.deleted < t.modified/2 && (near(t.live) || near(t.inserted))
}

// smallTable is the largest number of rows with which a table is read as a whole without harm.
const smallTable = 1000

// isText reports whether texts can be compared with the column as they are.
func (c *column) isText() bool {
	return c.kind == "text" || strings.HasPrefix(c.kind, "character") || c.kind == "citext" || c.kind == "name"
}

// isCast reports whether an operand is the column cast to another type. Postgres also shows casts
// that change nothing, which an index is used through: of a domain, and of cidr to inet.
func (c *column) isCast(o operand) bool {
	return o.cast != "" && o.cast != c.kind && !(c.kind == "cidr" && o.cast == "inet")
}

// unsorted are types without a B-tree operator class.
var unsorted = []string{
	"json", "jsonpath", "xml", "xid", "cid", "point", "line", "lseg", "box", "path", "polygon", "circle",
}

// sortable reports whether a B-tree index can have the column.
func (c *column) sortable() bool {
	return !slices.Contains(unsorted, strings.TrimSuffix(c.kind, "[]"))
}
