package pgrows

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"
	"weak"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Postgres's binary formats name types by OID only: those of a record's fields, of the
// bounds of a range, of a domain. What is not registered with pgx is looked up in the
// catalog, on another connection, since the one with the rows is busy. What is kept of
// it can not change: a domain's base, an array's element. ALTER TYPE does not touch
// them, and another type has another OID.

// fact is what the catalog says of a type.
type fact struct {
	kind      factKind
	of        uint32 // the element, base or subtype
	delimiter byte   // of an array's elements
	name      string
}

type factKind uint8

const (
	factOther factKind = iota // a type that pgrows does not know
	factArray
	factDomain
	factComposite
	factRange
	factMultirange
	factText      // its binary format is its text: enums, citext
	factVersioned // the same behind a byte with a version: ltree
	factHstore
)

// facts are those of one connection's server.
type facts struct {
	mu    sync.Mutex
	known map[uint32]fact
}

// remembered has the facts of each connection that lives, by its type map: OIDs of two
// servers have nothing in common.
var remembered sync.Map // of weak.Pointer[pgtype.Map] to *facts

func factsOf(m *pgtype.Map) *facts {
	key := weak.Make(m)
	if known, ok := remembered.Load(key); ok {
		return known.(*facts)
	}
	known, loaded := remembered.LoadOrStore(key, &facts{})
	if !loaded {
		runtime.AddCleanup(m, func(key weak.Pointer[pgtype.Map]) { remembered.Delete(key) }, key)
	}
	return known.(*facts)
}

// lookupTimeout bounds the time to look a type up.
const lookupTimeout = 5 * time.Second

func (s *facts) of(o *output, oid uint32) (fact, error) {
	s.mu.Lock()
	defer s.mu.Unlock() // Those who need the same wait for it.
	if f, ok := s.known[oid]; ok {
		return f, nil
	}
	found, err := lookup(o, oid)
	if err != nil {
		return fact{}, fmt.Errorf(
			"type with OID %d is not known (register it in pgx with LoadType, or set Options.Lookup): %w", oid, err)
	}
	if s.known == nil || len(s.known) > maxTypes { // Types may be made all the time.
		s.known = map[uint32]fact{}
	}
	for each, f := range found {
		s.known[each] = f
	}
	f, ok := s.known[oid]
	if !ok {
		return fact{}, fmt.Errorf(
			"type with OID %d is not in the catalog that other sessions see: register it in pgx with LoadType", oid)
	}
	return f, nil
}

// factsQuery returns a type and all that it is made of.
const factsQuery = `with recursive t(oid) as (
	select %d::pg_catalog.oid
	union
	select x.next from t join pg_catalog.pg_type p on p.oid = t.oid cross join lateral (
		select case p.typtype when 'd' then p.typbasetype else p.typelem end
		union all select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid = p.oid
		union all select r.rngtypid from pg_catalog.pg_range r where r.rngmultitypid = p.oid
		union all select a.atttypid from pg_catalog.pg_attribute a where a.attrelid = p.typrelid and a.attnum > 0
	) x(next) where x.next <> 0)
select p.oid::text,
	case when p.typtype = 'b' and p.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc then 'a' else p.typtype::text end,
	coalesce(case p.typtype when 'd' then p.typbasetype when 'r' then r.rngsubtype when 'm' then m.rngtypid else p.typelem end, 0)::text,
	p.typdelim::text, pg_catalog.format_type(p.oid, null), coalesce(s.prosrc::text, '')
from t join pg_catalog.pg_type p on p.oid = t.oid left join pg_catalog.pg_range r on r.rngtypid = p.oid
	left join pg_catalog.pg_range m on m.rngmultitypid = p.oid left join pg_catalog.pg_proc s on s.oid = p.typsend`

const factsColumns = 6

// kinds are those by pg_type.typtype, where a stands for arrays.
var kinds = map[string]factKind{"a": factArray, "d": factDomain, "c": factComposite, "r": factRange,
	"m": factMultirange, "e": factText}

// baseKinds are those of extensions' base types, by the function that sends them.
var baseKinds = map[string]factKind{"textsend": factText, "hstore_send": factHstore, "ltree_send": factVersioned,
	"ltxtq_send": factVersioned, "lquery_send": factVersioned}

func lookup(o *output, oid uint32) (map[uint32]fact, error) {
	ctx, done := context.WithTimeout(context.Background(), lookupTimeout)
	defer done()
	sql := fmt.Sprintf(factsQuery, oid)
	var rows [][][]byte
	var err error
	switch {
	case o.options.Lookup != nil:
		rows, err = ask(ctx, o.options.Lookup, sql)
	case o.session != nil:
		rows, err = o.session.CatalogRows(ctx, sql)
	default:
		err = errNoSession
	}
	found := make(map[uint32]fact, len(rows))
	for _, row := range rows {
		if len(row) != factsColumns {
			return nil, fmt.Errorf("the answer to a query of the catalog has %d columns, not %d",
				len(row), factsColumns)
		}
		each, _ := strconv.ParseUint(string(row[0]), 10, 32)
		of, _ := strconv.ParseUint(string(row[2]), 10, 32)
		f := fact{kind: kinds[string(row[1])], of: uint32(of), name: string(row[4])}
		if f.kind == factOther {
			f.kind = baseKinds[string(row[5])]
		}
		if len(row[3]) == 1 {
			f.delimiter = row[3][0]
		}
		found[uint32(each)] = f
	}
	return found, err
}

// ask runs the query with the user's function.
func ask(
	ctx context.Context, query func(ctx context.Context, sql string, args ...any) (pgx.Rows, error), sql string,
) ([][][]byte, error) {
	rows, err := query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) ([][]byte, error) {
		var kept [][]byte
		for _, v := range row.RawValues() {
			kept = append(kept, append([]byte(nil), v...)) // All are text, whose two formats are the same.
		}
		return kept, nil
	})
}
