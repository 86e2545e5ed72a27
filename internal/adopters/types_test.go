package adopters

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const typesSchema = `
create extension hstore;
create type mood as enum ('sad', 'ok', 'happy');
create type pair as (a int, b text);
create type nested as (p pair, m mood, list pair[]);
create domain positive as int check (value > 0);
create domain label as text;
create type floatrange as range (subtype = float8);
do $$ begin
	execute 'create type code as enum (' || (select string_agg(quote_literal('code ' || n), ', ') from generate_series(0, 999) n) || ')';
end $$;
create table codes (id int primary key, c code);
insert into codes select n, ('code ' || n)::code from generate_series(0, 999) n;
create table things (
	id int primary key, m mood, ms mood[], p pair, ps pair[], n nested, pos positive, l label,
	r floatrange, rs floatrange[], mr floatmultirange, ir int4range, h hstore, f float8
);
insert into things
select n, (array['sad', 'ok', 'happy'])[1 + n % 3]::mood, array['ok', null, 'sad']::mood[],
	row(n, 'p' || n)::pair, array[row(n, null)::pair, null, row(null, 'x,"y"')::pair],
	row(row(n, 'n')::pair, 'happy', array[row(1, 'l')::pair])::nested, n, 'label ' || n,
	floatrange(n, n + 0.5), array[floatrange(null, n), 'empty'], floatmultirange(floatrange(n, n + 1), floatrange(n + 2, null)),
	int4range(n, n + 10), hstore(array['n', n::text, 'null', null]), n / 4.0
from generate_series(1, 40) n;
insert into things (id) values (0);
`

var typeNames = []string{
	"code", "mood", "_mood", "pair", "_pair", "nested", "positive", "label", "floatrange", "_floatrange", "floatmultirange",
}

// registerTypes registers all types with one query, as pgx's documentation advises.
func registerTypes(ctx context.Context, conn *pgx.Conn) error {
	types, err := conn.LoadTypes(ctx, typeNames)
	if err != nil {
		return err
	}
	conn.TypeMap().RegisterTypes(types)
	return registerGo(ctx, conn)
}

// registerEach registers them with a query for each.
func registerEach(ctx context.Context, conn *pgx.Conn) error {
	for _, name := range typeNames {
		t, err := conn.LoadType(ctx, name)
		if err != nil {
			return err
		}
		conn.TypeMap().RegisterType(t)
	}
	return registerGo(ctx, conn)
}

func registerGo(ctx context.Context, conn *pgx.Conn) error {
	m := conn.TypeMap()
	m.RegisterDefaultPgType(mood(""), "mood")
	m.RegisterDefaultPgType([]mood(nil), "_mood")
	m.RegisterDefaultPgType(pair{}, "pair")
	var oid uint32
	err := conn.QueryRow(ctx, "select 'hstore'::regtype::oid").Scan(&oid)
	m.RegisterType(&pgtype.Type{Name: "hstore", OID: oid, Codec: pgtype.HstoreCodec{}})
	return err
}

type mood string

type pair struct {
	A *int32
	B *string
}

func TestTypes(t *testing.T) {
	dsn := newDatabase(t, typesSchema)
	with := func(dsn string, hook func(context.Context, *pgx.Conn) error) setup {
		return setup{dsn: dsn, configure: func(c *pgxpool.Config) { c.AfterConnect = hook }}
	}
	t.Run("unregistered", func(t *testing.T) {
		compare(t, with(dsn, nil).systems(), typeCases(), statements(6))
	})
	t.Run("LoadType", func(t *testing.T) {
		compare(t, with(dsn, registerEach).systems(), typeCases(), statements(6))
	})
	for _, e := range environments(t, dsn) {
		t.Run("LoadTypes-"+e.name, func(t *testing.T) {
			compare(t, with(e.dsn(t), registerTypes).systems(), typeCases(), statements(6))
		})
	}
}

func typeCases() []testCase[querier] {
	a, b := int32(7), "seven"
	cases := []testCase[querier]{
		query("everything", "select * from things order by id"),
		query("mood argument", "select id, m from things where m = $1 order by id", "happy"),
		query("named mood argument", "select id, m from things where m = $1 order by id", mood("sad")),
		query("moods argument", "select id from things where m = any($1) order by id", []mood{"sad", "ok"}),
		query("unknown mood", "select $1::mood", "angry"),
		query("pair argument", "select $1::pair, ($1::pair).b", pair{&a, &b}),
		query("pairs argument", "select $1::pair[]", []pair{{&a, nil}, {nil, &b}}),
		query("range argument", "select $1::floatrange", pgtype.Range[float64]{
			Lower: 1, Upper: 2, LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true,
		}),
		query("domain argument", "select $1::positive, $2::label", 5, "x"),
		query("domain refuses", "select $1::int::positive", -5),
		query("hstore argument", "select $1::hstore", pgtype.Hstore{"a": &b, "b": nil}),
		query("row", "select p, n, row(id, m) from things where id = 3"),
		scan("null mood", []any{(*mood)(nil)}, "select m from things where id = 0"),
		scan("null into mood", []any{mood("")}, "select m from things where id = 0"),
		scan("null pair", []any{(*pair)(nil)}, "select p from things where id = 0"),
		scan("moods", []any{[]*mood(nil)}, "select ms from things where id = 1"),
		scan("moods with null", []any{[]mood(nil)}, "select ms from things where id = 1"),
		scan("pairs", []any{[]*pair(nil)}, "select ps from things where id = 1"),
		scan("ranges", []any{[]pgtype.Range[pgtype.Float8](nil)}, "select rs from things where id = 1"),
		scan("multirange", []any{pgtype.Multirange[pgtype.Range[pgtype.Float8]](nil)}, "select mr from things where id = 1"),
		scan("mood into int", []any{0}, "select m from things where id = 1"),
		collected("structs", pgx.RowToStructByName[struct {
			ID  int
			M   mood
			P   pair
			Pos int32
			L   string
			H   map[string]*string
		}], "select id, m, p, pos, l, h from things where id > 0 order by id"),
	}
	for i := range 200 { // Codecs of enums learn each value when they first see it.
		cases = append(cases, query(fmt.Sprint("codes ", i), "select id, c from codes where id between $1 and $1 + 4 order by id", i*5))
	}
	for id := range 12 {
		cases = append(cases,
			query(fmt.Sprint("thing ", id), "select * from things where id = $1", id),
			query(fmt.Sprint("enum ", id), "select m, ms from things where id = $1", id),
			query(fmt.Sprint("composite ", id), "select p, ps, n from things where id = $1", id),
			query(fmt.Sprint("range ", id), "select r, rs, mr, ir from things where id = $1", id),
			query(fmt.Sprint("domain ", id), "select pos, l from things where id = $1", id),
			query(fmt.Sprint("text ", id), "select m, p, r, h from things where id = $1", pgx.QueryResultFormats{pgx.TextFormatCode}, id),
			scan(fmt.Sprint("scan ", id), []any{mood(""), pair{}, int32(0), "", pgtype.Range[float64]{}, map[string]*string(nil)},
				"select m, p, pos, l, r, h from things where id = $1", id+1),
		)
	}
	return cases
}

// celsius is a type that pgx can handle only with the wrappers below.
type celsius struct{ degrees float64 }

type celsiusScan struct{ next pgtype.ScanPlan }

func (p *celsiusScan) SetNext(next pgtype.ScanPlan) { p.next = next }

func (p *celsiusScan) Scan(src []byte, target any) error {
	return p.next.Scan(src, &target.(*celsius).degrees)
}

func tryWrapCelsiusScan(target any) (pgtype.WrappedScanPlanNextSetter, any, bool) {
	c, ok := target.(*celsius)
	if !ok {
		return nil, nil, false
	}
	if c == nil { // pgx asks with the type only.
		return &celsiusScan{}, (*float64)(nil), true
	}
	return &celsiusScan{}, &c.degrees, true
}

type celsiusEncode struct{ next pgtype.EncodePlan }

func (p *celsiusEncode) SetNext(next pgtype.EncodePlan) { p.next = next }

func (p *celsiusEncode) Encode(value any, buf []byte) ([]byte, error) {
	return p.next.Encode(value.(celsius).degrees, buf)
}

func tryWrapCelsiusEncode(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
	c, ok := value.(celsius)
	if !ok {
		return nil, nil, false
	}
	return &celsiusEncode{}, c.degrees, true
}

// ownCodec has state, as some of pgx's codecs do. It relies on pgx using a connection's
// codecs for one statement at a time.
type ownCodec struct {
	pgtype.TextCodec
	busy *atomic.Bool
}

var errShared = errors.New("the codec of one connection is used by two goroutines at the same time")

func (c ownCodec) DecodeValue(m *pgtype.Map, oid uint32, format int16, src []byte) (any, error) {
	if !c.busy.CompareAndSwap(false, true) {
		return nil, errShared
	}
	defer c.busy.Store(false)
	runtime.Gosched()
	v, err := c.TextCodec.DecodeValue(m, oid, format, src)
	return fmt.Sprint("own ", v), err
}

func (c ownCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	plan := c.TextCodec.PlanScan(m, oid, format, target)
	if plan == nil {
		return nil
	}
	return ownScan{plan, c.busy}
}

type ownScan struct {
	pgtype.ScanPlan
	busy *atomic.Bool
}

func (s ownScan) Scan(src []byte, target any) error {
	if !s.busy.CompareAndSwap(false, true) {
		return errShared
	}
	defer s.busy.Store(false)
	runtime.Gosched()
	return s.ScanPlan.Scan(src, target)
}

func TestWrappersAndCodecs(t *testing.T) {
	s := setup{dsn: newDatabase(t, typesSchema), configure: func(c *pgxpool.Config) {
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			m := conn.TypeMap()
			m.TryWrapScanPlanFuncs = slices.Insert(m.TryWrapScanPlanFuncs, 0, tryWrapCelsiusScan)
			m.TryWrapEncodePlanFuncs = slices.Insert(m.TryWrapEncodePlanFuncs, 0, tryWrapCelsiusEncode)
			m.RegisterDefaultPgType(celsius{}, "float8")
			m.RegisterType(&pgtype.Type{Name: "varchar", OID: pgtype.VarcharOID, Codec: ownCodec{busy: new(atomic.Bool)}})
			return nil
		}
	}}
	var cases []testCase[querier]
	for id := range 12 {
		cases = append(cases,
			scan(fmt.Sprint("wrapped scan ", id), []any{celsius{}, 0}, "select f, id from things where id = $1", id+1),
			query(fmt.Sprint("wrapped argument ", id), "select id, f from things where f <= $1 order by id", celsius{float64(id)}),
			scan(fmt.Sprint("both ", id), []any{celsius{}, (*celsius)(nil)}, "select $1::float8, $2::float8", celsius{float64(id) / 7}, nil),
			query(fmt.Sprint("own codec ", id), "select l::varchar, 'x'::varchar from things where id < $1 order by id", id),
			scan(fmt.Sprint("own codec's scan ", id), []any{"", 0}, "select l::varchar, id from things where id = $1", id+1),
			collected(fmt.Sprint("own codec's scans ", id), pgx.RowTo[string], "select l::varchar from things where id between 1 and $1 order by id", 2*id),
		)
	}
	cases = append(cases, scan("null into wrapped", []any{celsius{}}, "select f from things where id = 0"))
	compare(t, s.systems(), cases, statements(4))
}
