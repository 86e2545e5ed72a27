package advisor

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// index is what Postgres knows of an index.
type index struct {
	oid          uint32
	table        *table
	schema, name string
	sql, title   string // its name, qualified and quoted, and for people
	method       string
	keys         []string // as CREATE INDEX has them, with operator classes, collations and directions
	plain        []string // the columns and expressions only
	numbers      []int16  // of the keys' columns; 0 is an expression
	stored       []int16  // of all columns, also those that are included
	includes     []string
	classes      []string // operator classes, collations and directions of the keys, as numbers
	opclasses    []string // their names
	where        string
	bytewise     bool // the first key's collation compares bytes
	unique       bool
	immediate    bool // it is checked by each statement; a deferrable one at the transaction's end
	nullsEqual   bool // it takes nulls for equal (NULLS NOT DISTINCT, since version 15)
	constraint   bool // a primary key, a unique or exclusion constraint, or what replicas or CLUSTER need
	valid        bool
	building     bool // an index of its table is being built
	part         bool // it is a part of a partitioned index
	whole        bool // it is a partitioned index
	parent       *index
	bytes        int64
	fill         int // how full its pages are made, in percent
	tuples       float64
	scans        int64
}

func (i *index) String() string { return i.title }

const indexQuery = `select ` + ourOwn + ` i.indexrelid, n.nspname, t.relname, c.relname, am.amname,
		array(select pg_get_indexdef(i.indexrelid, k, true)
			|| case when i.indcollation[k - 1] <> 0 and i.indcollation[k - 1] <> coalesce(att.attcollation, 100)
				then (select format(' COLLATE %I', collname) from pg_collation where oid = i.indcollation[k - 1]) else '' end
			|| case when o.opcdefault then '' else ' ' || quote_ident(o.opcname) end
			|| case i.indoption[k - 1] when 1 then ' DESC NULLS LAST' when 2 then ' NULLS FIRST' when 3 then ' DESC' else '' end
			from generate_series(1, i.indnkeyatts) k join pg_opclass o on o.oid = i.indclass[k - 1]
				left join pg_attribute att on att.attrelid = i.indrelid and att.attnum = i.indkey[k - 1] and att.attnum > 0
					order by k),
		array(select pg_get_indexdef(i.indexrelid, k, true) from generate_series(1, i.indnkeyatts) k order by k),
		array(select pg_get_indexdef(i.indexrelid, k, true) from generate_series(i.indnkeyatts + 1, i.indnatts) k order by k),
		(i.indkey::int2[])[0:i.indnkeyatts - 1], (i.indkey::int2[])[0:i.indnatts - 1],
		array(select format('%s %s %s', i.indclass[k - 1], i.indcollation[k - 1], i.indoption[k - 1])
			from generate_series(1, i.indnkeyatts) k order by k),
		array(select o.opcname from generate_series(1, i.indnkeyatts) k join pg_opclass o on o.oid = i.indclass[k - 1]
			order by k),
		coalesce(pg_get_expr(i.indpred, i.indrelid, true), ''), i.indisunique,
		i.indimmediate, coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
		i.indisprimary or i.indisexclusion or i.indisreplident or i.indisclustered
			or exists (select from pg_constraint where conindid = i.indexrelid),
		i.indisvalid, exists (select from pg_stat_progress_create_index p
			where p.datname = current_database() and coalesce(p.relid, i.indrelid) = i.indrelid), -- hidden from some roles
		exists (select from pg_inherits where inhrelid = i.indexrelid), c.relkind = 'I',
		case when i.indexrelid in ` + locked + ` then c.relpages * current_setting('block_size')::bigint
			else coalesce(pg_relation_size(i.indexrelid), 0) end,
		coalesce((select option_value::int from pg_options_to_table(c.reloptions) where option_name = 'fillfactor'), 90),
		c.reltuples, coalesce(s.idx_scan, 0), format('%I.%I', n.nspname, c.relname),
		case when n.nspname = 'public' then quote_ident(c.relname) else format('%I.%I', n.nspname, c.relname) end,
		coalesce((select inhparent from pg_inherits where inhrelid = i.indexrelid), 0::oid),
		coalesce((select collcollate in ('C', 'POSIX') or collprovider = 'd' and (select datcollate in ('C', 'POSIX')
			from pg_database where datname = current_database()) from pg_collation where oid = i.indcollation[0]), false)
	from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
		join pg_namespace n on n.oid = t.relnamespace
		join pg_am am on am.oid = c.relam left join pg_stat_user_indexes s on s.indexrelid = i.indexrelid
	where t.oid = any ($1::oid[]) order by i.indexrelid`

func (a *analysis) readIndexes(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, indexQuery, a.tableOIDs())
	if err != nil {
		return err
	}
	byOID, parents := map[uint32]*index{}, map[uint32]uint32{}
	var on string
	var parent uint32
	for rows.Next() {
		var i index
		if err := rows.Scan(
			&i.oid, &i.schema, &on, &i.name, &i.method, &i.keys, &i.plain, &i.includes, &i.numbers, &i.stored,
			&i.classes, &i.opclasses, &i.where, &i.unique, &i.immediate, &i.nullsEqual, &i.constraint, &i.valid, &i.building,
			&i.part, &i.whole, &i.bytes, &i.fill, &i.tuples, &i.scans, &i.sql, &i.title, &parent, &i.bytewise,
		); err != nil {
			rows.Close()
			return err
		}
		if i.table = a.tables[i.schema+"."+on]; i.table == nil {
			continue
		}
		if since := a.options.Since; since != nil && i.scans >= since.Scans[i.oid] { // Else they were reset since.
			i.scans -= since.Scans[i.oid]
		}
		byOID[i.oid], parents[i.oid] = &i, parent
		a.indexes = append(a.indexes, &i)
	}
	for _, i := range a.indexes {
		i.parent = byOID[parents[i.oid]]
	}
	for _, i := range a.indexes { // What the parts are used for, the whole is.
		for o := i.parent; o != nil && !i.whole; o = o.parent {
			o.scans += i.scans
			o.bytes += i.bytes
		}
	}
	return rows.Err()
}

// exists reports whether there is an index that could do what a candidate can. One of all
// rows does not do what one of few rows can: tell where these are.
func (a *analysis) exists(c *candidate) bool {
	return slices.ContainsFunc(a.indexes, func(i *index) bool {
		return i.table == c.table && i.valid && i.method == c.method && sameText(i.where, c.where) &&
			len(c.include) == 0 && len(i.keys) >= len(c.keys) && i.beginsWith(c.keys)
	})
}

// found reports whether an index begins with a candidate's keys in any order, which finds
// what has one value of each.
func (a *analysis) found(c *candidate) bool {
	return slices.ContainsFunc(a.indexes, func(i *index) bool {
		if i.table != c.table || !i.valid || i.method != c.method || !sameText(i.where, c.where) ||
			len(i.keys) < len(c.keys) {
			return false
		}
		return !slices.ContainsFunc(i.keys[:len(c.keys)], func(k string) bool {
			k = strings.TrimSuffix(k, " DESC")
			return !slices.ContainsFunc(c.keys, func(o string) bool { return sameText(k, o) })
		})
	})
}

// beginsWith reports whether the index has these keys before others. It can be read
// backwards, so that a direction matters only where the keys have several.
func (i *index) beginsWith(keys []string) bool {
	return slices.EqualFunc(i.keys[:len(keys)], keys, func(x, y string) bool {
		return sameText(x, y) || !strings.Contains(y, " DESC") && sameText(strings.TrimSuffix(x, " DESC"), y)
	})
}

// sameText compares expressions that differ in parentheses and spaces at most.
func sameText(x, y string) bool {
	strip := strings.NewReplacer("(", "", ")", "", " ", "")
	return strip.Replace(x) == strip.Replace(y)
}

// writes are the rows that were written to a table since its counters began.
func (t *table) writes() int64 { return t.inserted + t.updated + t.deleted }

// findIndexes looks for indexes that cost more than they bring. The parts of a partitioned
// index cannot be dropped on their own.
func (a *analysis) findIndexes() {
	dropped := map[*index]bool{}
	a.findDuplicates(dropped)
	for _, i := range a.indexes {
		switch {
		case dropped[i]:
		case !i.valid && i.building: // It may be the one.
		case !i.valid:
			a.invalid(i)
		case !i.part && !i.unique && !i.constraint && i.scans == 0 && a.wasThere(i) &&
			i.table.size() >= smallTable && !a.needed(i, dropped) && !a.planned(i) && !a.asked(i):
			a.unused(i)
			dropped[i] = true
		case !i.whole:
			a.bloated(i)
		}
	}
}

// wasThere reports whether an index is as old as the time that the report is about. Postgres
// counts nothing for that of a partitioned table, but for its parts.
func (a *analysis) wasThere(i *index) bool {
	if a.options.Since == nil {
		return true
	}
	_, ok := a.options.Since.Scans[i.oid]
	return ok || slices.ContainsFunc(a.indexes, func(o *index) bool { return o.parent == i && a.wasThere(o) })
}

// leftOver are names of indexes that REINDEX CONCURRENTLY was making, or was about to drop.
var leftOver = regexp.MustCompile(`_cc(new|old)\d*$`)

func (a *analysis) invalid(i *index) {
	f := Finding{
		Kind:     InvalidIndex,
		Table:    i.table.String(),
		Index:    i.String(),
		Bytes:    i.bytes,
		Title:    "Index " + i.String() + " is not valid",
		Evidence: []string{"Building it concurrently has failed: it is written to and never read."},
		Risk:     "Building it again reads the whole table. If nobody misses it, DROP INDEX CONCURRENTLY is enough.",
	}
	f.run("REINDEX INDEX CONCURRENTLY " + i.sql)
	if leftOver.MatchString(i.name) {
		f.Evidence = []string{"Rebuilding another index concurrently has left it behind: it is written to and never read."}
		f.Risk = "None but for a lock of a moment."
		f.run(i.drop())
	}
	if i.whole {
		f.Evidence = []string{"Not all partitions have it: it is used for none of the whole."}
		f.Action, f.SQL = "CREATE INDEX CONCURRENTLY on the partitions that lack it, and ALTER INDEX "+i.sql+
			" ATTACH PARTITION each.", nil
	}
	a.report.add(f)
}

// findDuplicates looks for indexes that others can stand in for.
func (a *analysis) findDuplicates(dropped map[*index]bool) {
	for _, i := range a.indexes {
		if i.constraint || i.part || !i.valid {
			continue
		}
		for _, o := range a.indexes {
			if i == o || o.table != i.table || !o.valid || dropped[o] || !i.prefixOf(o) ||
				i.unique && (!o.unique || len(i.keys) != len(o.keys) || i.promisesMore(o)) {
				continue
			}
			f := Finding{Table: i.table.String(), Index: i.String(), Bytes: i.bytes}
			f.run(i.drop())
			if len(i.keys) == len(o.keys) {
				if (!o.unique || i.unique) && !o.constraint && o.oid > i.oid && o.prefixOf(i) && !o.promisesMore(i) {
					continue // The younger one goes, unless it forbids more.
				}
				f.Kind, f.Title = DuplicateIndex, fmt.Sprintf("Index %s is the same as %s", i, o)
				f.Risk = "None but for a lock of a moment."
			} else {
				if o.bytes > 16*i.bytes+1<<20 || i.scans+o.scans == 0 && !o.unique && !o.constraint {
					continue // Reading the wide one costs much more; or both are unused.
				}
				f.Kind, f.Title = RedundantIndex, fmt.Sprintf("Index %s is the beginning of %s", i, o)
				f.Risk = fmt.Sprintf("What reads %s now reads %s, which is larger (%s).", i, o, size(o.bytes))
			}
			f.Evidence = []string{
				fmt.Sprintf(
					"(%s) against (%s); %s, written to %s times",
					strings.Join(i.keys, ", "),
					strings.Join(o.keys, ", "),
					size(i.bytes),
					count(float64(i.table.writes())),
				),
			}
			a.report.add(f)
			dropped[i] = true
			o.scans += i.scans // They will be its own.
			if a.planned(i) || a.asked(i) {
				o.scans++ // The counters may not have these scans yet.
			}
			break
		}
	}
}

// promisesMore reports whether a unique index forbids what another one with its keys lets pass.
// A deferrable one serves no ON CONFLICT and no foreign key besides.
func (i *index) promisesMore(o *index) bool {
	return i.immediate && !o.immediate || i.nullsEqual && !o.nullsEqual
}

// prefixOf reports whether the other index begins with this one's keys, in the same order
// and for the same rows.
func (i *index) prefixOf(o *index) bool {
	n := len(i.keys)
	if i.method != o.method || i.where != o.where && (i.unique || o.where != "" || !i.leavesOutNulls()) ||
		n > len(o.keys) ||
		i.method != "btree" && n != len(o.keys) {
		return false
	}
	for _, column := range i.includes {
		if !slices.Contains(o.includes, column) && !slices.Contains(o.keys, column) {
			return false
		}
	}
	return slices.Equal(i.keys, o.keys[:n]) && slices.Equal(i.classes, o.classes[:n])
}

// leavesOutNulls reports whether an index lacks only rows of which a key is null. One of all
// rows finds the others as well; which rows pass another condition it does not know.
func (i *index) leavesOutNulls() bool {
	for _, c := range clauses(i.table.qualified(i.where)) {
		col := i.table.columns[c.left.column.name]
		if c.operator != "is not null" || col == nil || !slices.Contains(i.numbers, col.number) {
			return false
		}
	}
	return true
}

// drop is how an index is dropped; partitioned ones cannot be concurrently.
func (i *index) drop() string {
	if i.whole {
		return "DROP INDEX " + i.sql
	}
	return "DROP INDEX CONCURRENTLY " + i.sql
}

// planned reports whether a statement that we know uses an index: the counters of sessions
// that are open come late.
func (a *analysis) planned(i *index) bool {
	return slices.ContainsFunc(a.statements, func(s *statement) bool {
		return s.plan != nil && (a.used(s.plan, i) || a.used(s.sampled, i))
	})
}

// asked reports whether a statement would use an index if it were written for it.
func (a *analysis) asked(i *index) bool {
	return slices.ContainsFunc(a.statements, func(s *statement) bool {
		return slices.ContainsFunc(s.scans, func(each *scanned) bool {
			_, by := a.rewrite(each)
			return by == i
		})
	})
}

// used reports whether a plan uses an index, or a part of it.
func (a *analysis) used(plan *node, i *index) (used bool) {
	plan.walk(func(n *node, _ []*node) {
		if n.Index == "" {
			return
		}
		for _, o := range a.indexes {
			if o.name == n.Index {
				for ; o != nil; o = o.parent {
					used = used || o == i
				}
			}
		}
	})
	return used
}

func (a *analysis) unused(i *index) {
	since := "the counters began"
	var age time.Duration
	if !a.report.Since.IsZero() {
		since = date(a.report.Since)
		age = a.report.At.Sub(a.report.Since)
	}
	risk := "Replicas count their own scans: look there too."
	if a.server.replica {
		risk = "This is a replica, which counts its own scans only: look on the primary, where it can be dropped."
	}
	f := Finding{
		Kind:  UnusedIndex,
		Table: i.table.String(),
		Index: i.String(),
		Bytes: i.bytes,
		Title: "Index " + i.String() + " is not used",
		Evidence: []string{
			fmt.Sprintf(
				"No scan since %s; %s, and %s rows of its table were written",
				since,
				size(i.bytes),
				count(float64(i.table.writes())),
			),
		},
		Risk: risk,
	}
	if slices.Contains(i.numbers, 0) {
		f.Risk += " Its expression's statistics go with it, which also serve plans that do not read it: CREATE STATISTICS " +
			"on the expression keeps them."
	}
	f.run(i.drop())
	switch {
	case a.report.Since.IsZero():
		f.Risk += " When the counters began is not known: what runs rarely may need it."
	case age < 7*24*time.Hour:
		f.Risk += fmt.Sprintf(" The counters are %s old only: what runs rarely may need it.", age.Round(time.Minute))
	}
	a.report.add(f)
}

const (
	smallIndex = 1 << 20 // bytes below which nobody needs to care
	bloatRatio = 2.5     // how many times as large as a new one an index may be
)

// bloated compares an index's size with what its rows need: an entry of 8 bytes and the
// columns, a pointer of 4, pages of 8 KiB that are 90 % full, or as the index says (Postgres's
// documentation, "Database Page Layout"). Equal keys take less since version 13, so this is the most.
func (a *analysis) bloated(i *index) {
	if i.method != "btree" || i.bytes < smallIndex || i.tuples < 0 || i.tuples == 0 && i.table.live > 0 {
		return
	}
	width := 0
	for _, n := range i.stored {
		col := i.table.byNumber[n]
		if col == nil || col.width == 0 {
			if n != 0 && !a.server.reads {
				a.miss(
					"The width of indexes' columns is hidden (pg_stats shows it to who may read the table), so bloat was not looked " +
						"for: GRANT pg_read_all_data TO the advisor's role.",
				)
			}
			return
		}
		width += (col.width + 7) / 8 * 8
	}
	expected := int64(math.Max(i.tuples, float64(i.table.live))*float64(8+4+width)*100/float64(i.fill)) + 16<<10
	if float64(i.bytes) < bloatRatio*float64(expected) {
		return
	}
	f := Finding{
		Kind:  BloatedIndex,
		Table: i.table.String(),
		Index: i.String(),
		Bytes: i.bytes - expected,
		Title: "Index " + i.String() + " is bloated",
		Evidence: []string{
			fmt.Sprintf("%s for %s rows, which need at most %s", size(i.bytes), count(i.tuples), size(expected)),
		},
		Risk: "It reads the whole table and needs space for the new index; it blocks nobody.",
	}
	f.run("REINDEX INDEX CONCURRENTLY " + i.sql)
	a.report.add(f)
}
