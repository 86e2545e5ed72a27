package adopters

import (
	"context"
	_ "embed"
	"fmt"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/internal/adopters/sqlcgen"
)

//go:embed sqlcgen/schema.sql
var sqlcSchema string

const sqlcData = `
insert into authors select n, 'author ' || n, nullif('bio ' || n % 3, 'bio 0'), date '1900-01-01' + n from generate_series(1, 10) n;
insert into books
select n, 1 + n % 9, 'title ' || n, (array['novel', 'poetry', 'essay'])[1 + n % 3]::genre, n * 1.25,
	case when n % 4 = 0 then '{}' else array['t' || n, 'u'] end, case when n % 5 = 0 then 'essay'::genre end,
	case when n % 2 = 0 then jsonb_build_object('pages', n) end,
	case when n % 3 = 0 then ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid end,
	timestamptz '2020-01-01 00:00:00+00' + n * interval '1 hour'
from generate_series(1, 200) n;
insert into authors values (99, 'new', 'new');
insert into books values (1000, 10, 'the only one', 'novel', 1, '{}', null, null, null, '2020-01-01 00:00:00+00');
`

func TestSqlc(t *testing.T) {
	dsn := newDatabase(t, sqlcSchema+sqlcData)
	setups := map[string]setup{
		"plain": {dsn: dsn},
		// Enum codecs instead of plain text.
		"registered": {dsn: dsn, configure: func(c *pgxpool.Config) {
			c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
				types, err := conn.LoadTypes(ctx, []string{"genre", "_genre"})
				conn.TypeMap().RegisterTypes(types)
				return err
			}
		}},
	}
	for name, s := range setups {
		t.Run(name, func(t *testing.T) {
			compare(t, adapt(s.systems(), sqlcDB), sqlcCases(), statements(3))
		})
	}
}

// readerDBTX adds CopyFrom to a Reader that lacks it.
type readerDBTX struct{ querier }

func (readerDBTX) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errNoCopy
}

var errNoCopy = fmt.Errorf("CopyFrom: %w", errReadOnly)

// sqlcDB returns db as sqlc's DBTX.
func sqlcDB(db querier) sqlcgen.DBTX {
	if dbtx, ok := db.(sqlcgen.DBTX); ok {
		return dbtx
	}
	return readerDBTX{db}
}

type sqlcCase = testCase[sqlcgen.DBTX]

func sqlcRead(name string, run func(ctx context.Context, q *sqlcgen.Queries) (any, error)) sqlcCase {
	return sqlcCase{name: name, run: func(ctx context.Context, db sqlcgen.DBTX) (any, error) {
		return run(ctx, sqlcgen.New(db))
	}}
}

func sqlcWrite(name string, run func(ctx context.Context, q *sqlcgen.Queries) (any, error)) sqlcCase {
	c := sqlcRead(name, run)
	c.writes = true
	return c
}

// price is the initial price of a book, so that writing it changes nothing.
func price(id int64) pgtype.Numeric {
	return pgtype.Numeric{Int: big.NewInt(id * 125), Exp: -2, Valid: true}
}

// visited makes book IDs that no other run uses.
var visited atomic.Int64

func sqlcCases() []sqlcCase {
	cases := []sqlcCase{
		sqlcRead("count by author", func(ctx context.Context, q *sqlcgen.Queries) (any, error) { return q.CountByAuthor(ctx) }),
		sqlcRead("no row", func(ctx context.Context, q *sqlcgen.Queries) (any, error) { return q.GetBook(ctx, -1) }),
		sqlcRead("no rows", func(ctx context.Context, q *sqlcgen.Queries) (any, error) { return q.ListBooks(ctx, -1) }),
		sqlcRead("wrong enum", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			return q.ListBooksByGenre(ctx, sqlcgen.ListBooksByGenreParams{Genre: "drama", Limit: 1})
		}),
		sqlcRead("negative limit", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			return q.ListBooksByGenre(ctx, sqlcgen.ListBooksByGenreParams{Genre: "essay", Limit: -1})
		}),
		sqlcRead("empty batch", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			b := q.Titles(ctx, nil)
			b.QueryRow(func(int, string, error) { panic("there is nothing") })
			return nil, b.Close()
		}),
		sqlcRead("batch closed early", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			var all []string
			b := q.Titles(ctx, []int64{1, 2, 3, 4})
			b.QueryRow(func(i int, title string, err error) {
				all = append(all, title, describe(err))
				if i == 1 {
					all = append(all, describe(b.Close()))
				}
			})
			return all, nil
		}),

		sqlcWrite("exec", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			return nil, q.SetPrice(ctx, sqlcgen.SetPriceParams{ID: 200, Price: price(200)})
		}),
		sqlcWrite("execrows", func(ctx context.Context, q *sqlcgen.Queries) (any, error) { return q.SetPrices(ctx, 10) }),
		sqlcWrite("execresult", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			tag, err := q.Retitle(ctx, 199)
			return tag.String(), err
		}),
		sqlcWrite("insert returning", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			bio := "new"
			return q.SaveAuthor(ctx, sqlcgen.SaveAuthorParams{ID: 99, Name: "new", Bio: &bio})
		}),
		sqlcWrite("duplicate", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			return nil, q.DuplicateAuthor(ctx, sqlcgen.DuplicateAuthorParams{ID: 1, Name: "again"})
		}),
		sqlcWrite("batchexec", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			var args []sqlcgen.SetPricesOfParams
			for id := int64(190); id < 195; id++ {
				args = append(args, sqlcgen.SetPricesOfParams{ID: id, Price: price(id)})
			}
			var first error
			b := q.SetPricesOf(ctx, args)
			b.Exec(func(i int, err error) {
				if first == nil {
					first = err
				}
			})
			return nil, first
		}),
		sqlcWrite("copyfrom", func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
			id, note := visited.Add(1), "a\tb"
			at := pgtype.Timestamptz{Time: time.Unix(1, 0), Valid: true}
			copied, err := q.AddVisits(ctx, []sqlcgen.AddVisitsParams{{BookID: id, At: at, Note: &note}, {BookID: id, At: at}})
			if err != nil {
				return copied, err
			}
			count, err := q.CountVisits(ctx, id)
			if err != nil {
				return count, err
			}
			return []int64{copied, count}, q.DeleteVisits(ctx, id)
		}),
		{name: "transaction", writes: true, run: func(ctx context.Context, db sqlcgen.DBTX) (any, error) {
			p, ok := db.(interface {
				Begin(ctx context.Context) (pgx.Tx, error)
			})
			if !ok {
				return nil, errReadOnly
			}
			tx, err := p.Begin(ctx)
			if err != nil {
				return nil, err
			}
			defer tx.Rollback(ctx)
			q := sqlcgen.New(db).WithTx(tx)
			if err := q.SetPrice(ctx, sqlcgen.SetPriceParams{ID: 198, Price: price(1)}); err != nil {
				return nil, err
			}
			inside, err := q.GetBook(ctx, 198)
			if err != nil {
				return nil, err
			}
			if err := tx.Rollback(ctx); err != nil {
				return nil, err
			}
			outside, err := sqlcgen.New(db).GetBook(ctx, 198)
			return []any{inside, outside}, err
		}},
	}
	for i := range int64(12) {
		cases = append(cases,
			sqlcRead(fmt.Sprint("one ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) { return q.GetBook(ctx, i*13+1) }),
			sqlcRead(fmt.Sprint("title ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) { return q.GetTitle(ctx, i*11) }),
			sqlcRead(fmt.Sprint("embedded ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
				return q.GetBookWithAuthor(ctx, i*7+1)
			}),
			sqlcRead(fmt.Sprint("many ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) { return q.ListBooks(ctx, i%8) }),
			sqlcRead(fmt.Sprint("any ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
				return q.ListBooksByID(ctx, []int64{i, 2 * i, 150 - i})
			}),
			sqlcRead(fmt.Sprint("enum ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
				return q.ListBooksByGenre(ctx, sqlcgen.ListBooksByGenreParams{Genre: sqlcgen.GenrePoetry, Limit: int32(i)})
			}),
			sqlcRead(fmt.Sprint("narg ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
				arg := sqlcgen.SearchBooksParams{MinPrice: price(196)}
				if i%2 == 0 {
					title := fmt.Sprint("TITLE 1", i)
					arg = sqlcgen.SearchBooksParams{Title: &title, MinPrice: price(i)}
				}
				return q.SearchBooks(ctx, arg)
			}),
			sqlcRead(fmt.Sprint("divide ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
				return q.Divide(ctx, sqlcgen.DivideParams{A: 100, B: int32(i % 6)})
			}),
			sqlcRead(fmt.Sprint("batchone ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
				var all []string
				q.Titles(ctx, []int64{i, -1, i + 1, i + 2}).QueryRow(func(_ int, title string, err error) {
					all = append(all, title, describe(err))
				})
				return all, nil
			}),
			sqlcRead(fmt.Sprint("batchmany ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
				var all []any
				q.BooksOfAuthors(ctx, []int64{i % 8, 2, -1}).Query(func(_ int, books []sqlcgen.Book, err error) {
					all = append(all, books, describe(err))
				})
				return all, nil
			}),
			sqlcRead(fmt.Sprint("batch that fails ", i), func(ctx context.Context, q *sqlcgen.Queries) (any, error) {
				var all []any
				q.Quotients(ctx, []sqlcgen.QuotientsParams{{A: 9, B: 3}, {A: 8, B: int32(i % 2)}, {A: 7, B: 1}}).QueryRow(
					func(_ int, n int32, err error) { all = append(all, n, describe(err)) })
				return all, nil
			}),
		)
	}
	return cases
}
