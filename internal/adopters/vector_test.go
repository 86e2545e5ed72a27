package adopters

import (
	"context"
	"fmt"
	"strings"
	"testing"

	pgxdecimal "github.com/jackc/pgx-shopspring-decimal"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pgvector/pgvector-go"
	pgxvector "github.com/pgvector/pgvector-go/pgx"
	"github.com/shopspring/decimal"
)

// standIn replaces a type of the pgvector extension, which Debian 12 does not package. It
// stores and returns the bytes that pgvector-go sends, so pgx, the pool and Postgres handle
// them like a vector's; there are no operators.
const standIn = `
create type NAME;
create function NAME_in(cstring) returns NAME as 'byteain' language internal immutable strict;
create function NAME_out(NAME) returns cstring as 'byteaout' language internal immutable strict;
create function NAME_recv(internal) returns NAME as 'bytearecv' language internal immutable strict;
create function NAME_send(NAME) returns bytea as 'byteasend' language internal immutable strict;
create type NAME (input = NAME_in, output = NAME_out, receive = NAME_recv, send = NAME_send, internallength = variable, storage = extended);
`

// newVectors creates a database with the types, and reports whether they are real.
func newVectors(t *testing.T) (dsn string, genuine bool) {
	dsn = newDatabase(t, "")
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create extension vector"); err == nil {
		genuine = true
	} else {
		t.Log("pgvector is not installed, a stand-in for its types is used: ", err)
		for _, name := range []string{"vector", "sparsevec"} {
			execute(t, dsn, strings.ReplaceAll(standIn, "NAME", name))
		}
	}
	execute(t, dsn, "create table embeddings (id int primary key, v vector, s sparsevec)")
	if err := pgxvector.RegisterTypes(ctx, conn); err != nil {
		t.Fatal(err)
	}
	for id := range int32(40) {
		if _, err := conn.Exec(ctx, "insert into embeddings values ($1, $2, $3)", id, vector(id), sparse(id)); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, dsn, "insert into embeddings values (100, null, null)")
	return dsn, genuine
}

func vector(id int32) pgvector.Vector {
	return pgvector.NewVector([]float32{float32(id), float32(id) / 2, 1})
}

func sparse(id int32) pgvector.SparseVector {
	return pgvector.NewSparseVectorFromMap(map[int32]float32{0: float32(id), id: 1}, 64)
}

func TestPgvector(t *testing.T) {
	dsn, genuine := newVectors(t)
	cases := []testCase[querier]{
		query("all", "select * from embeddings order by id"),
		query("array", "select array_agg(v order by id) from embeddings where id < 5"),
		scan("null", []any{(*pgvector.Vector)(nil)}, "select v from embeddings where id = 100"),
		scan("vector into a string", []any{""}, "select v from embeddings where id = 1"),
		scan("vectors", []any{[]pgvector.Vector(nil)}, "select array_agg(v order by id) from embeddings where id < 5"),
	}
	for id := range int32(15) {
		cases = append(cases,
			query(fmt.Sprint("vector ", id), "select id, v, s from embeddings where id = $1", id),
			scan(fmt.Sprint("scan ", id), []any{pgvector.Vector{}, pgvector.SparseVector{}}, "select v, s from embeddings where id = $1", id),
			query(fmt.Sprint("argument ", id), "select $1::vector, $2::sparsevec", vector(id), sparse(id)),
		)
		if genuine {
			cases = append(cases, query(fmt.Sprint("nearest ", id), "select id, v <-> $1 from embeddings where v is not null order by v <-> $1 limit 5", vector(id)))
		}
	}
	for _, e := range environments(t, dsn) {
		t.Run(e.name, func(t *testing.T) {
			s := setup{dsn: e.dsn(t), configure: func(c *pgxpool.Config) { c.AfterConnect = pgxvector.RegisterTypes }}
			compare(t, s.systems(), cases, statements(6))
		})
	}
}

func TestDecimal(t *testing.T) {
	s := setup{dsn: newDatabase(t, peopleSchema), configure: func(c *pgxpool.Config) {
		c.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
			pgxdecimal.Register(conn.TypeMap())
			return nil
		}
	}}
	cases := []testCase[querier]{
		query("all", "select id, score, ratio from people order by id"),
		query("sum", "select sum(score), avg(score) from people"),
		query("not a number", "select 'NaN'::numeric"),
		scan("null", []any{decimal.NullDecimal{}}, "select null::numeric"),
		scan("null into a decimal", []any{decimal.Decimal{}}, "select null::numeric"),
		scan("infinity into a decimal", []any{decimal.Decimal{}}, "select 'Infinity'::numeric"),
		scan("text into a decimal", []any{decimal.Decimal{}}, "select name from people where id = 1"),
	}
	for id := range 20 {
		cases = append(cases,
			query(fmt.Sprint("score ", id), "select score, score * 3 from people where id = $1", id),
			scan(fmt.Sprint("scan ", id), []any{decimal.Decimal{}, decimal.Decimal{}, decimal.Decimal{}}, "select score, ratio, id from people where id = $1", id+1),
			query(fmt.Sprint("argument ", id), "select id from people where score <= $1 order by id", decimal.New(int64(id)*1125, -3)),
			scan(fmt.Sprint("both ", id), []any{decimal.Decimal{}}, "select $1::numeric / 7", decimal.New(int64(id), -2)),
		)
	}
	compare(t, s.systems(), cases, statements(4))
}
