package adopters

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// ormSchema has relations, arrays and JSON documents.
const ormSchema = `
create table authors (id bigint primary key, name text not null unique, born timestamptz);
create table books (
	id bigint primary key, author_id bigint not null references authors, title text not null,
	price float8 not null default 0, tags text[], details jsonb
);
insert into authors select n, 'author ' || n, case when n % 3 > 0 then timestamptz '1900-01-01 00:00:00+00' + n * interval '1 day' end
from generate_series(1, 20) n;
insert into books
select n, 1 + n % 18, 'title ' || n, n / 4.0, case when n % 4 > 0 then array['t' || n, 'u'] end,
	case when n % 2 > 0 then jsonb_build_object('pages', n) end
from generate_series(1, 100) n;
`

type bunAuthor struct {
	bun.BaseModel `bun:"table:authors,alias:a"`
	ID            int64 `bun:",pk"`
	Name          string
	Born          *time.Time
	Books         []*bunBook `bun:"rel:has-many,join:id=author_id"`
}

type bunBook struct {
	bun.BaseModel `bun:"table:books,alias:b"`
	ID            int64 `bun:",pk"`
	AuthorID      int64
	Author        *bunAuthor `bun:"rel:belongs-to,join:author_id=id"`
	Title         string
	Price         float64
	Tags          []string       `bun:",array"`
	Details       map[string]any `bun:"type:jsonb"`
}

func TestBun(t *testing.T) {
	dsn := newDatabase(t, ormSchema)
	for _, e := range environments(t, dsn) {
		t.Run(e.name, func(t *testing.T) {
			systems := adapt(setup{dsn: e.dsn(t)}.sqlSystems(), func(db *sql.DB) *bun.DB { return bun.NewDB(db, pgdialect.New()) })
			compare(t, systems, bunCases(), statements(8))
		})
	}
}

func bunCases() []testCase[*bun.DB] {
	type run = func(ctx context.Context, db *bun.DB) (any, error)
	affected := func(r sql.Result, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		return r.RowsAffected()
	}
	inTx := func(f func(ctx context.Context, tx bun.Tx) (any, error)) run {
		return func(ctx context.Context, db *bun.DB) (value any, err error) {
			err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
				value, err = f(ctx, tx)
				return errors.Join(err, errHook) // It rolls back.
			})
			return value, err
		}
	}
	cases := []testCase[*bun.DB]{
		{name: "all", run: func(ctx context.Context, db *bun.DB) (any, error) {
			var books []bunBook
			err := db.NewSelect().Model(&books).Order("id").Scan(ctx)
			return books, err
		}},
		{name: "has many", run: func(ctx context.Context, db *bun.DB) (any, error) {
			var authors []bunAuthor
			err := db.NewSelect().Model(&authors).Relation("Books", func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("b.id") }).
				Where("a.id < ?", 6).Order("a.id").Scan(ctx)
			return authors, err
		}},
		{name: "count by author", run: func(ctx context.Context, db *bun.DB) (any, error) {
			var counts []map[string]any
			err := db.NewSelect().Model((*bunBook)(nil)).Column("author_id").ColumnExpr("count(*) as n").Group("author_id").Order("author_id").Scan(ctx, &counts)
			return counts, err
		}},
		{name: "raw", run: func(ctx context.Context, db *bun.DB) (any, error) {
			var titles []string
			err := db.NewRaw("select title from ? where id in (?) order by id", bun.Ident("books"), bun.List([]int{3, 5, 8})).Scan(ctx, &titles)
			return titles, err
		}},
		{name: "no table", run: func(ctx context.Context, db *bun.DB) (any, error) {
			var n int
			err := db.NewSelect().Table("nowhere").ColumnExpr("1").Scan(ctx, &n)
			return n, err
		}},
		{name: "division by zero", run: func(ctx context.Context, db *bun.DB) (any, error) {
			var n int
			return n, db.NewSelect().ColumnExpr("1 / ?", 0).Scan(ctx, &n)
		}},
		{name: "duplicate", run: func(ctx context.Context, db *bun.DB) (any, error) {
			return affected(db.NewInsert().Model(&bunAuthor{ID: 1, Name: "again"}).Exec(ctx))
		}},
		{name: "insert that conflicts", run: func(ctx context.Context, db *bun.DB) (any, error) {
			a := &bunAuthor{ID: 20, Name: "author 20"}
			result, err := db.NewInsert().Model(a).On("conflict (id) do update").Set("name = excluded.name").Returning("*").Exec(ctx)
			if err != nil {
				return nil, err
			}
			n, err := result.RowsAffected()
			return []any{a.Name, n}, err
		}},
		{name: "update", run: func(ctx context.Context, db *bun.DB) (any, error) {
			return affected(db.NewUpdate().Model((*bunBook)(nil)).Set("title = ?", "title 100").Where("id = ?", 100).Exec(ctx))
		}},
		{name: "delete nothing", run: func(ctx context.Context, db *bun.DB) (any, error) {
			return affected(db.NewDelete().Model((*bunBook)(nil)).Where("id = ?", -1).Exec(ctx))
		}},
		{name: "foreign key", run: func(ctx context.Context, db *bun.DB) (any, error) {
			return affected(db.NewInsert().Model(&bunBook{ID: 1000, AuthorID: 1000, Title: "of nobody"}).Exec(ctx))
		}},
		{name: "transaction", run: inTx(func(ctx context.Context, tx bun.Tx) (any, error) {
			if _, err := tx.NewUpdate().Model((*bunBook)(nil)).Set("price = -1").Where("id = 99").Exec(ctx); err != nil {
				return nil, err
			}
			var price float64
			err := tx.NewSelect().Model((*bunBook)(nil)).Column("price").Where("id = 99").Scan(ctx, &price)
			return price, err
		})},
		{name: "savepoint", run: inTx(func(ctx context.Context, tx bun.Tx) (any, error) {
			inner := tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				_, err := tx.ExecContext(ctx, "select 1 / 0")
				return err
			})
			var price float64
			err := tx.NewSelect().Model((*bunBook)(nil)).Column("price").Where("id = 98").Scan(ctx, &price)
			return []any{describe(inner), price}, err
		})},
	}
	for id := range 15 {
		cases = append(cases,
			testCase[*bun.DB]{name: fmt.Sprint("book ", id), run: func(ctx context.Context, db *bun.DB) (any, error) {
				var b bunBook
				err := db.NewSelect().Model(&b).Where("b.id = ?", id*3).Scan(ctx)
				return b, err
			}},
			testCase[*bun.DB]{name: fmt.Sprint("belongs to ", id), run: func(ctx context.Context, db *bun.DB) (any, error) {
				var books []bunBook
				err := db.NewSelect().Model(&books).Relation("Author").Where("b.author_id = ?", id).Order("b.id").Scan(ctx)
				return books, err
			}},
			testCase[*bun.DB]{name: fmt.Sprint("page ", id), run: func(ctx context.Context, db *bun.DB) (any, error) {
				var books []bunBook
				n, err := db.NewSelect().Model(&books).Where("? = any(tags) or price > ?", "u", 20-id).Order("id").Limit(3).Offset(int64(id)).ScanAndCount(ctx)
				return []any{books, n}, err
			}},
			testCase[*bun.DB]{name: fmt.Sprint("exists ", id), run: func(ctx context.Context, db *bun.DB) (any, error) {
				return db.NewSelect().Model((*bunAuthor)(nil)).Where("name = ?", fmt.Sprint("author ", id*2)).Exists(ctx)
			}},
		)
	}
	return cases
}
