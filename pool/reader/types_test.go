package reader_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"testing"

	"github.com/gqlboost/gqlboost/pool/reader"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// counting is a codec with a state, which two goroutines must not use at a time.
type counting struct {
	pgtype.TextCodec
	uses map[string]int
}

func (c *counting) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	c.uses["plan"]++
	if inner := c.TextCodec.PlanScan(m, oid, format, target); inner != nil {
		return countingPlan{c, inner}
	}
	return nil
}

func (c *counting) DecodeValue(m *pgtype.Map, oid uint32, format int16, src []byte) (any, error) {
	c.uses["value"]++
	return "counted " + string(src), nil
}

func (c *counting) DecodeDatabaseSQLValue(m *pgtype.Map, oid uint32, format int16, src []byte) (driver.Value, error) {
	return c.DecodeValue(m, oid, format, src)
}

type countingPlan struct {
	c    *counting
	plan pgtype.ScanPlan
}

func (p countingPlan) Scan(src []byte, target any) error {
	p.c.uses["scan"]++
	return p.plan.Scan(src, target)
}

// celsius is scanned by a wrapper of plans only.
type celsius struct{ degrees float64 }

type scanCelsius struct{ next pgtype.ScanPlan }

func (s *scanCelsius) SetNext(next pgtype.ScanPlan) { s.next = next }
func (s *scanCelsius) Scan(src []byte, target any) error {
	return s.next.Scan(src, &target.(*celsius).degrees)
}

// Types of the user's, with all that belongs to them, work on shared connections.
func TestTypesOfTheUser(t *testing.T) {
	run(t, "drop type if exists pair cascade", "drop type if exists mood cascade", "drop domain if exists positive cascade",
		"create type mood as enum ('happy', 'sad')", "create domain positive as int check (value > 0)", "create type pair as (m mood, n int)")
	c := config(t, "pool_max_conns=8&pool_reader_slow_after=1s")
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		for _, name := range []string{"mood", "_mood", "positive", "pair", "_pair"} {
			typ, err := conn.LoadType(ctx, name)
			if err != nil {
				return err
			}
			conn.TypeMap().RegisterType(typ)
		}
		conn.TypeMap().TryWrapScanPlanFuncs = append([]pgtype.TryWrapScanPlanFunc{func(target any) (pgtype.WrappedScanPlanNextSetter, any, bool) {
			if c, ok := target.(*celsius); ok {
				return &scanCelsius{}, &c.degrees, true
			}
			return nil, nil, false
		}}, conn.TypeMap().TryWrapScanPlanFuncs...)
		return nil
	}
	r := openConfig(t, c).Reader()
	const sql = "select 'sad'::mood, array['happy', 'sad']::mood[], row('happy', $1)::pair, array[row('sad', 2)]::pair[], 5::positive"
	crowdUntil(t, r, 64, 20, 1000, func(i, j int) {
		rows, err := r.Query(t.Context(), sql, i)
		if err != nil {
			t.Error(err)
			return
		}
		for rows.Next() {
			v, err := rows.Values()
			want := fmt.Sprintf("[sad [happy sad] map[m:happy n:%d] [map[m:sad n:2]] 5]", i)
			if err != nil || fmt.Sprint(v) != want {
				t.Errorf("got %v, %v; want %s", v, err, want)
			}
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
		var mood string
		var moods []string
		if err := r.QueryRow(t.Context(), "select 'sad'::mood, array['happy', 'sad']::mood[]").Scan(&mood, &moods); err != nil || mood != "sad" || len(moods) != 2 || moods[1] != "sad" {
			t.Errorf("%s %v, %v", mood, moods, err)
		}
		var temperature celsius
		if err := r.QueryRow(t.Context(), "select 21.5::float8").Scan(&temperature); err != nil || temperature.degrees != 21.5 {
			t.Errorf("%v, %v", temperature, err)
		}
		var echo string
		if err := r.QueryRow(t.Context(), "select $1::mood", "happy").Scan(&echo); err != nil || echo != "happy" {
			t.Errorf("%v, %v", echo, err)
		}
	})
}

// A codec of which nothing is known but that it may have a state shares nothing, also within
// one of pgx's.
func TestCodecWithState(t *testing.T) {
	run(t, "drop type if exists tagged cascade", "create type tagged as enum ('x')")
	for name, register := range map[string]func(m *pgtype.Map, own *pgtype.Type, array uint32){
		"itself": func(m *pgtype.Map, own *pgtype.Type, _ uint32) { m.RegisterType(own) },
		"element": func(m *pgtype.Map, own *pgtype.Type, array uint32) {
			m.RegisterType(&pgtype.Type{Name: "_tagged", OID: array, Codec: &pgtype.ArrayCodec{ElementType: own}})
		},
		"wrapped": func(m *pgtype.Map, own *pgtype.Type, _ uint32) {
			m.RegisterType(&pgtype.Type{Name: "tagged", OID: own.OID, Codec: &pgtype.TextFormatOnlyCodec{Codec: own.Codec}})
		},
	} {
		c := config(t, "pool_max_conns=8&pool_reader_slow_after=1s")
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			var oid, array uint32
			err := conn.QueryRow(ctx, "select 'tagged'::regtype::oid, 'tagged[]'::regtype::oid").Scan(&oid, &array)
			register(conn.TypeMap(), &pgtype.Type{Name: "tagged", OID: oid, Codec: &counting{uses: map[string]int{}}}, array)
			return err
		}
		r := openConfig(t, c).Reader()
		crowd(32, func(int) {
			for range 50 {
				rows, err := r.Query(t.Context(), "select 'x'::tagged")
				if err != nil {
					t.Error(err)
					return
				}
				got, err := pgx.CollectOneRow(rows, func(row pgx.CollectableRow) (any, error) { v, err := row.Values(); return v[0], err })
				if err != nil || got != "counted x" && (name != "element" || got != "x") {
					t.Errorf("%s: %v, %v", name, got, err)
				}
			}
		})
		if n := r.Counts().Shared; n != 0 {
			t.Errorf("%s: %d statements have shared a connection", name, n)
		}
	}
}

// The copies of a map have the default types of Go types, and codecs with a state of their own
// wherever they are.
func TestCopiesOfTypes(t *testing.T) {
	type document struct{ A int }
	m := pgtype.NewMap()
	m.RegisterDefaultPgType(&document{}, "json")
	enum := &pgtype.EnumCodec{}
	m.RegisterType(&pgtype.Type{Name: "e", OID: 99999, Codec: &pgtype.TextFormatOnlyCodec{Codec: enum}})
	own := reader.CopyMap(m)
	if typ, ok := own.TypeForValue(&document{}); !ok || typ.Name != "json" {
		t.Errorf("the default of a Go type is %v", typ)
	}
	if typ, _ := own.TypeForOID(99999); typ.Codec.(*pgtype.TextFormatOnlyCodec).Codec == pgtype.Codec(enum) {
		t.Error("a codec with a state is shared")
	}
}

func TestPgxStillListsItsTypes(t *testing.T) {
	m := pgtype.NewMap()
	m.RegisterType(&pgtype.Type{Name: "x", OID: 99999, Codec: &pgtype.EnumCodec{}})
	if list := reader.Registered(m); len(list) != 1 || list[0].OID != 99999 {
		t.Errorf("got %v", list)
	}
}

// Encoders of rows are told the encoding of text, whichever connection the rows come from.
func TestEncodingOfRows(t *testing.T) {
	r := open(t, "client_encoding=latin1&pool_max_conns=8&pool_reader_slow_after=1s").Reader()
	crowdUntil(t, r, 16, 50, 500, func(i, _ int) {
		rows, err := r.Query(t.Context(), "select chr(233) where $1 >= 0", i)
		if err != nil {
			t.Error(err)
			return
		}
		defer rows.Close()
		if !rows.Next() {
			t.Errorf("no row, %v", rows.Err())
			return
		}
		session := rows.(interface {
			ParameterStatus(name string) (string, error)
		})
		if encoding, err := session.ParameterStatus("client_encoding"); encoding != "LATIN1" || err != nil {
			t.Errorf("%x is said to be %q, %v", rows.RawValues(), encoding, err)
		}
	})
}
