package advisor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// foreignKey is one of a table's columns that refer to another.
type foreignKey struct {
	name          string
	child, parent *table
	columns       []int16 // of the child
}

func (a *analysis) readForeignKeys(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, `select `+ourOwn+` c.conname, n.nspname, t.relname, c.conkey, pn.nspname, pt.relname
		from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
			join pg_class pt on pt.oid = c.confrelid join pg_namespace pn on pn.oid = pt.relnamespace
		where c.contype = 'f' and c.conparentid = 0 and n.nspname`+notOurs+` order by n.nspname, t.relname, c.conname`)
	if err != nil {
		return err
	}
	var name, schema, on, parentSchema, parentName string
	var keys []int16
	_, err = pgx.ForEachRow(rows, []any{&name, &schema, &on, &keys, &parentSchema, &parentName}, func() error {
		k := &foreignKey{name, a.tables[schema+"."+on], a.tables[parentSchema+"."+parentName], slices.Clone(keys)}
		if k.child != nil && k.parent != nil {
			a.foreignKeys = append(a.foreignKeys, k)
		}
		return nil
	})
	return err
}

// findForeignKeys finds large tables that are read as a whole when a row is deleted that
// they may refer to.
func (a *analysis) findForeignKeys() {
	for _, k := range a.foreignKeys {
		if k.parent.deleted == 0 || k.child.size() < smallTable || a.served(k, func(*index) bool { return true }) {
			continue
		}
		var columns []string
		for _, number := range k.columns {
			if c := k.child.byNumber[number]; c != nil {
				columns = append(columns, c.sql)
			}
		}
		if slices.ContainsFunc(a.advice, func(i *indexAdvice) bool {
			return i.table.whole() == k.child.whole() && i.where == "" && i.keys[0] == columns[0]
		}) {
			continue // It is advised already.
		}
		list := strings.Join(columns, ", ")
		f := Finding{
			Kind:  UnindexedForeignKey,
			Table: k.child.String(),
			Index: k.name,
			Title: fmt.Sprintf(
				"Each row deleted from %s reads all of %s: an index is needed ON %s (%s)",
				k.parent, k.child, k.child, list,
			),
			Evidence: []string{
				fmt.Sprintf("%s rows of %s were deleted; the foreign key %s (%s) has no index, and its table %s rows",
					count(float64(k.parent.deleted)), k.parent, k.name, list, count(k.child.size())),
			},
			Risk: "Each write of the table writes the index too.",
		}
		f.run(a.create(&candidate{table: k.child, method: "btree", keys: columns})...)
		a.report.add(f)
	}
}

// served reports whether an index finds the rows that refer to one, in all parts of a
// partitioned table.
func (a *analysis) served(k *foreignKey, by func(*index) bool) bool {
	for _, i := range a.indexes {
		if i.table == k.child && k.servedBy(i) && by(i) {
			return true
		}
	}
	for _, part := range k.child.parts {
		if !a.served(k.ofPart(part), by) {
			return false
		}
	}
	return len(k.child.parts) > 0
}

// numbers returns what numbers the columns of another table have in this one.
func (t *table) numbers(of *table, columns []int16) (list []int16) {
	for _, n := range columns {
		if c := of.byNumber[n]; c != nil && t.columns[c.name] != nil {
			list = append(list, t.columns[c.name].number)
		}
	}
	return list
}

// servedBy reports whether an index finds the rows that refer to one: if it begins with
// these columns, in whatever order, and leaves out no rows but those that refer to none. What
// deletes a row asks for equal keys, which BRIN, GIN and GiST do not find or find slowly.
func (k *foreignKey) servedBy(i *index) bool {
	if i.table != k.child || !i.valid || i.method != "btree" && i.method != "hash" ||
		len(i.numbers) < len(k.columns) || !k.allReferring(i.where) {
		return false
	}
	for _, n := range i.numbers[:len(k.columns)] {
		if !slices.Contains(k.columns, n) {
			return false
		}
	}
	return true
}

// allReferring reports whether a condition holds for all rows that refer to another.
func (k *foreignKey) allReferring(where string) bool {
	for _, c := range clauses(k.child.qualified(where)) {
		col := k.child.columns[c.left.column.name]
		if c.operator != "is not null" || col == nil || !slices.Contains(k.columns, col.number) {
			return false
		}
	}
	return true
}

// needed reports whether deleting rows elsewhere needs an index, which has no other one for
// it that stays. The parts of an index go with it, also one that serves a foreign key of its part
// of the table only.
func (a *analysis) needed(i *index, dropped map[*index]bool) bool {
	is := func(o *index) bool { return o == i }
	stays := func(o *index) bool { return !o.within(func(o *index) bool { return is(o) || dropped[o] }) }
	return slices.ContainsFunc(a.indexes, func(o *index) bool {
		return o.within(is) && slices.ContainsFunc(a.foreignKeys, func(k *foreignKey) bool {
			part := k.of(o.table)
			return part != nil && part.servedBy(o) && !a.served(part, stays)
		})
	})
}

// within reports whether an index is one of some others, or a part of one.
func (i *index) within(others func(*index) bool) bool {
	for ; i != nil; i = i.parent {
		if others(i) {
			return true
		}
	}
	return false
}

// of returns the foreign key as a part of its table has it, nil if the table is another one.
func (k *foreignKey) of(t *table) *foreignKey {
	for whole := t; whole != nil; whole = whole.parent {
		if whole == k.child {
			return k.ofPart(t)
		}
	}
	return nil
}

func (k *foreignKey) ofPart(t *table) *foreignKey {
	return &foreignKey{k.name, t, k.parent, t.numbers(k.child, k.columns)}
}
