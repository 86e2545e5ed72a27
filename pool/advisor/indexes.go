package advisor

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// index is what Postgres knows of an index.
type index struct {
	oid          uint32
	table        *table
	schema, name string
	method       string
	keys         []string // as CREATE INDEX has them
	numbers      []int16  // of the table's columns; 0 is an expression
	includes     []string
	classes      []string // operator classes, collations and directions of the keys
	where        string
	unique       bool
	constraint   bool // a primary key, a unique or exclusion constraint, or what replicas need
	valid        bool
	part         bool // it is a part of a partitioned index, or is one
	bytes        int64
	tuples       float64
	scans        int64
}

func (i *index) String() string { return relation(i.schema, i.name) }

func (a *analysis) readIndexes(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, `select `+ourOwn+` i.indexrelid, n.nspname, t.relname, c.relname, am.amname,
			array(select pg_get_indexdef(i.indexrelid, k, true) from generate_series(1, i.indnkeyatts) k),
			array(select pg_get_indexdef(i.indexrelid, k, true) from generate_series(i.indnkeyatts + 1, i.indnatts) k),
			(i.indkey::int2[])[0:i.indnkeyatts - 1],
			array(select format('%s %s %s', i.indclass[k - 1], i.indcollation[k - 1], i.indoption[k - 1]) from generate_series(1, i.indnkeyatts) k),
			coalesce(pg_get_expr(i.indpred, i.indrelid, true), ''), i.indisunique,
			i.indisprimary or i.indisexclusion or i.indisreplident or exists (select from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u', 'x')),
			i.indisvalid, c.relkind = 'I' or exists (select from pg_inherits where inhrelid = i.indexrelid),
			pg_relation_size(i.indexrelid), c.reltuples, coalesce(s.idx_scan, 0)
		from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = t.relnamespace
			join pg_am am on am.oid = c.relam left join pg_stat_user_indexes s on s.indexrelid = i.indexrelid
		where t.relpersistence <> 't' and n.nspname`+notOurs+` order by i.indexrelid`)
	if err != nil {
		return err
	}
	var i index
	var on string
	_, err = pgx.ForEachRow(rows, []any{
		&i.oid, &i.schema, &on, &i.name, &i.method, &i.keys, &i.includes, &i.numbers, &i.classes, &i.where, &i.unique,
		&i.constraint, &i.valid, &i.part, &i.bytes, &i.tuples, &i.scans,
	}, func() error {
		found := i
		found.keys, found.includes, found.numbers, found.classes = slices.Clone(i.keys), slices.Clone(i.includes), slices.Clone(i.numbers), slices.Clone(i.classes)
		if found.table = a.tables[i.schema+"."+on]; found.table != nil {
			if a.options.Since != nil {
				found.scans = max(found.scans-a.options.Since.Scans[i.oid], 0)
			}
			a.indexes = append(a.indexes, &found)
		}
		return nil
	})
	return err
}

// exists tells whether there is an index that could do what a candidate can.
func (a *analysis) exists(c *candidate) bool {
	return slices.ContainsFunc(a.indexes, func(i *index) bool {
		return i.table == c.table && i.valid && i.method == c.method && (i.where == "" || sameText(i.where, c.where)) && len(i.keys) >= len(c.keys) &&
			slices.EqualFunc(i.keys[:len(c.keys)], c.keys, func(x, y string) bool { return sameText(x, strings.TrimSuffix(y, " text_pattern_ops")) })
	})
}

// sameText compares expressions that differ in parentheses and spaces at most.
func sameText(x, y string) bool {
	strip := strings.NewReplacer("(", "", ")", "", " ", "")
	return strip.Replace(x) == strip.Replace(y)
}

// writes are the rows that were written to a table since its counters began.
func (t *table) writes() int64 { return t.inserted + t.updated + t.deleted }

// findIndexes looks for indexes that cost more than they bring.
func (a *analysis) findIndexes() {
	dropped := map[*index]bool{}
	a.findDuplicates(dropped)
	for _, i := range a.indexes {
		switch {
		case dropped[i] || i.part:
		case !i.valid:
			a.report.add(Finding{
				Kind: InvalidIndex, Table: i.table.String(), Index: i.String(), Bytes: i.bytes, Title: "Index " + i.String() + " is not valid",
				Evidence: []string{"Building it concurrently has failed: it is written to and never read."},
				Action:   "REINDEX INDEX CONCURRENTLY " + i.String() + "; -- or DROP INDEX CONCURRENTLY", Risk: "Building it again reads the whole table.",
			})
		case i.scans == 0 && !i.unique && !i.constraint && float64(i.table.live) >= smallTable && !a.needed(i) && !a.planned(i):
			a.unused(i)
		default:
			a.bloated(i)
		}
	}
}

// findDuplicates looks for indexes that others can stand in for.
func (a *analysis) findDuplicates(dropped map[*index]bool) {
	for _, i := range a.indexes {
		if i.unique || i.constraint || i.part || !i.valid {
			continue
		}
		for _, o := range a.indexes {
			if i == o || o.table != i.table || !o.valid || dropped[o] || !i.prefixOf(o) {
				continue
			}
			f := Finding{Table: i.table.String(), Index: i.String(), Bytes: i.bytes, Action: "DROP INDEX CONCURRENTLY " + i.String() + ";"}
			if len(i.keys) == len(o.keys) {
				if !o.unique && !o.constraint && o.oid > i.oid && o.prefixOf(i) {
					continue // The younger one goes.
				}
				f.Kind, f.Title = DuplicateIndex, fmt.Sprintf("Index %s is the same as %s", i, o)
				f.Risk = "None but for a lock of a moment."
			} else {
				if o.bytes > 16*i.bytes+1<<20 {
					continue // Reading the wide one costs much more.
				}
				f.Kind, f.Title = RedundantIndex, fmt.Sprintf("Index %s is the beginning of %s", i, o)
				f.Risk = fmt.Sprintf("What reads %s now reads %s, which is larger (%s).", i, o, size(o.bytes))
			}
			f.Evidence = []string{fmt.Sprintf("(%s) against (%s); %s, written to %s times", strings.Join(i.keys, ", "), strings.Join(o.keys, ", "), size(i.bytes), count(float64(i.table.writes())))}
			a.report.add(f)
			dropped[i] = true
			o.scans += i.scans // They will be its own.
			break
		}
	}
}

// prefixOf tells whether the other index begins with this one's keys, in the same order
// and for the same rows.
func (i *index) prefixOf(o *index) bool {
	n := len(i.keys)
	if i.method != o.method || i.where != o.where || n > len(o.keys) || i.method != "btree" && n != len(o.keys) {
		return false
	}
	for _, column := range i.includes {
		if !slices.Contains(o.includes, column) && !slices.Contains(o.keys, column) {
			return false
		}
	}
	return slices.Equal(i.keys, o.keys[:n]) && slices.Equal(i.classes, o.classes[:n])
}

// planned tells whether a statement that we know uses an index: the counters of sessions
// that are open come late.
func (a *analysis) planned(i *index) bool {
	return slices.ContainsFunc(a.statements, func(s *statement) bool {
		return s.plan != nil && (s.plan.uses(i.name) || s.sampled.uses(i.name))
	})
}

func (a *analysis) unused(i *index) {
	since := "the counters began"
	var age time.Duration
	if !a.report.Since.IsZero() {
		since = date(a.report.Since)
		age = a.report.At.Sub(a.report.Since)
	}
	f := Finding{
		Kind: UnusedIndex, Table: i.table.String(), Index: i.String(), Bytes: i.bytes, Title: "Index " + i.String() + " is not used",
		Evidence: []string{fmt.Sprintf("No scan since %s; %s, and %s rows of its table were written", since, size(i.bytes), count(float64(i.table.writes())))},
		Action:   "DROP INDEX CONCURRENTLY " + i.String() + ";",
		Risk:     "Replicas count their own scans: look there too.",
	}
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
// keys, a pointer of 4, pages of 8 KiB that are 90 % full (Postgres's documentation,
// "Database Page Layout"). Equal keys take less since version 13, so this is the most.
func (a *analysis) bloated(i *index) {
	if i.method != "btree" || i.bytes < smallIndex || i.tuples < 0 || i.tuples == 0 && i.table.live > 0 {
		return
	}
	width := 0
	for _, n := range i.numbers {
		col := i.table.byNumber[n]
		if col == nil || col.width == 0 {
			if n != 0 && !a.server.reads {
				a.miss("The width of indexes' columns is hidden (pg_stats shows it to who may read the table), so bloat was not looked for: GRANT pg_read_all_data TO the advisor's role.")
			}
			return
		}
		width += (col.width + 7) / 8 * 8
	}
	expected := int64(math.Max(i.tuples, float64(i.table.live))*float64(8+4+width)/0.9) + 16<<10
	if float64(i.bytes) < bloatRatio*float64(expected) {
		return
	}
	a.report.add(Finding{
		Kind: BloatedIndex, Table: i.table.String(), Index: i.String(), Bytes: i.bytes - expected, Title: "Index " + i.String() + " is bloated",
		Evidence: []string{fmt.Sprintf("%s for %s rows, which need at most %s", size(i.bytes), count(i.tuples), size(expected))},
		Action:   "REINDEX INDEX CONCURRENTLY " + i.String() + ";",
		Risk:     "It reads the whole table and needs space for the new index; it blocks nobody.",
	})
}
