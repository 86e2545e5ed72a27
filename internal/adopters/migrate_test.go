package adopters

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const migratedSchema = `
create table da (id int primary key, name text, amount int);
create table db (id int primary key, name text, amount int);
create table dc (id int primary key, name text, amount int);
insert into da select n, 'a ' || n, n from generate_series(1, 50) n;
insert into db select n, 'b ' || n, n from generate_series(1, 50) n;
insert into dc select n, 'c ' || n, n from generate_series(1, 50) n;
`

// migrations lock the tables in one order only and do not touch the columns that are read.
var migrations = withLocks(fstest.MapFS{
	"1_lock.up.sql":      file("begin; lock table da; lock table db; alter table da add column extra int default 1; commit;"),
	"1_lock.down.sql":    file("begin; lock table da; lock table db; alter table da drop column extra; commit;"),
	"2_index.up.sql":     file("create index db_name on db (name)"),
	"2_index.down.sql":   file("drop index db_name"),
	"3_view.up.sql":      file("begin; alter table dc rename to dc_table; create view dc as select * from dc_table; commit;"),
	"3_view.down.sql":    file("begin; drop view dc; alter table dc_table rename to dc; commit;"),
	"4_both.up.sql":      file("begin; alter table da add column note text; alter table db add column note text not null default 'x'; commit;"),
	"4_both.down.sql":    file("begin; alter table da drop column note; alter table db drop column note; commit;"),
	"5_rewrite.up.sql":   file("begin; lock table da, db in access exclusive mode; update db set amount = amount; alter table db set (fillfactor = 80); commit;"),
	"5_rewrite.down.sql": file("alter table db reset (fillfactor)"),
})

// withLocks adds migrations that hold one lock for some time before they take the next.
func withLocks(files fstest.MapFS) fstest.MapFS {
	for i := range 6 {
		sql := file("begin; lock table da; select pg_sleep(0.005); lock table db; commit;")
		files[fmt.Sprintf("1%d_locks.up.sql", i)], files[fmt.Sprintf("1%d_locks.down.sql", i)] = sql, sql
	}
	return files
}

// typeMigrations change the columns of "select *".
var typeMigrations = fstest.MapFS{
	"1_column.up.sql":   file("alter table da add column extra int default 1"),
	"1_column.down.sql": file("alter table da drop column extra"),
	"2_bigint.up.sql":   file("alter table da alter column amount type bigint"),
	"2_bigint.down.sql": file("alter table da alter column amount type int"),
	"3_text.up.sql":     file("alter table da alter column amount type text"),
	"3_text.down.sql":   file("alter table da alter column amount type bigint using amount::bigint"),
}

func file(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(sql)} }

// maxCycles bounds how often a system migrates: Postgres counts the columns that were dropped,
// and a table has 1600 at most, for all systems together.
const maxCycles = 150

// migrating returns systems whose schema is migrated up and down while they are open.
func migrating(s setup, files fstest.MapFS) []system[querier] {
	while := func(t *testing.T, db *sql.DB, reads querier) querier {
		t.Cleanup(func() { db.Close() })
		driver, err := migratepgx.WithInstance(db, &migratepgx.Config{})
		if err != nil {
			t.Fatal(err)
		}
		source, err := iofs.New(files, ".")
		if err != nil {
			t.Fatal(err)
		}
		m, err := migrate.NewWithInstance("iofs", source, "pgx5", driver)
		if err != nil {
			t.Fatal(err)
		}
		var stop, failed atomic.Bool
		var cycles atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() {
			for ; !stop.Load() && cycles.Load() < maxCycles; cycles.Add(1) {
				if err := errors.Join(m.Up(), m.Down()); err != nil {
					failed.Store(true)
					t.Error("migrating: ", err)
					_ = m.Force(len(files) / 2) // The version is "dirty".
					_ = m.Down()
					return
				}
			}
		})
		t.Cleanup(func() {
			stop.Store(true)
			wg.Wait()
			t.Logf("migrated up and down %d times meanwhile", cycles.Load())
			if err := errors.Join(m.Close()); err != nil {
				t.Error(err)
			}
		})
		return beside{reads, func() bool { return cycles.Load() < 2 && !failed.Load() }}
	}
	systems := []system[querier]{
		{name: "pgxpool", open: func(t *testing.T) querier {
			p := s.openPgxpool(t)
			return while(t, stdlib.OpenDBFromPool(p), p)
		}},
		{name: "pool", open: func(t *testing.T) querier {
			p := s.openPool(t)
			return while(t, stdlib.OpenDBFromPool(p.Pool), p)
		}},
		{name: "reader", readOnly: true, open: func(t *testing.T) querier {
			p := s.openPool(t)
			return while(t, stdlib.OpenDBFromPool(p.Pool), p.Reader())
		}},
	}
	if openDB != nil {
		systems = append(systems, system[querier]{name: "reader and OpenDB", readOnly: true, open: func(t *testing.T) querier {
			p := s.openPool(t)
			return while(t, openDB(p), p.Reader())
		}})
	}
	return systems
}

// beside is a system that is not finished before its migrations are.
type beside struct {
	querier
	migrates func() bool
}

func (b beside) unfinished() bool { return b.migrates() }

// TestMigrate reads single tables while migrations lock several. With pgxpool nothing fails.
func TestMigrate(t *testing.T) {
	s := setup{dsn: newDatabase(t, migratedSchema)}
	var cases []testCase[querier]
	for id := range 10 {
		for _, table := range []string{"da", "db", "dc"} {
			cases = append(cases, testCase[querier]{name: fmt.Sprint(table, " ", id), run: func(ctx context.Context, db querier) (any, error) {
				rows, _ := db.Query(ctx, "select id, name, amount from "+table+" where id = $1", id+1)
				return pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
			}})
		}
		cases = append(cases, testCase[querier]{name: fmt.Sprint("both ", id), run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, "select da.name, db.name as other from da join db using (id) where id = $1", id+1)
			return pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
		}})
	}
	compare(t, migrating(s, migrations), cases, statements(4))
}

// TestMigrateTypes changes the types of the columns that are read. The only error allowed
// is pgxpool's, "cached plan must not change result type"; no value may be decoded as its
// former type.
func TestMigrateTypes(t *testing.T) {
	s := setup{dsn: newDatabase(t, migratedSchema)}
	var cases []testCase[querier]
	for id := range 20 {
		cases = append(cases, testCase[querier]{name: fmt.Sprint("all columns ", id), run: func(ctx context.Context, db querier) (any, error) {
			rows, _ := db.Query(ctx, "select * from da where id = $1", id+1)
			row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
			if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "0A000" && strings.Contains(pg.Message, "cached plan") {
				err, row = nil, map[string]any{"id": id + 1, "name": fmt.Sprint("a ", id+1), "amount": id + 1}
			}
			_, known := row["extra"]
			return fmt.Sprintf("%v %v %v %v", row["id"], row["name"], row["amount"], !known || fmt.Sprint(row["extra"]) == "1"), err
		}})
	}
	compare(t, migrating(s, typeMigrations), cases, statements(2))
}
