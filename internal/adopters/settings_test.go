package adopters

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/pool/reader"
)

// settler runs a case with settings.
type settler interface {
	run(ctx context.Context, s reader.Settings, c testCase[querier]) (any, error)
}

// byTransaction is the oracle: a transaction that begins with SET LOCAL.
type byTransaction struct{ pool *pgxpool.Pool }

func (b byTransaction) run(ctx context.Context, s reader.Settings, c testCase[querier]) (any, error) {
	tx, err := b.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(ctx)
	for _, name := range slices.Sorted(maps.Keys(s.GUC)) {
		if _, err := tx.Exec(ctx, "select set_config($1, $2, true)", name, s.GUC[name]); err != nil {
			return nil, err
		}
	}
	if s.Role != "" {
		if _, err := tx.Exec(ctx, "set local role "+pgx.Identifier{s.Role}.Sanitize()); err != nil {
			return nil, err
		}
	}
	value, err := c.run(ctx, tx)
	if err != nil {
		return value, err
	}
	return value, tx.Commit(ctx)
}

// byContext passes the settings in the context.
type byContext struct{ db querier }

func (b byContext) run(ctx context.Context, s reader.Settings, c testCase[querier]) (any, error) {
	return c.run(reader.WithSettings(ctx, s), b.db)
}

// inBegin passes the settings in the context of a transaction.
type inBegin struct{ db querier }

func (b inBegin) run(ctx context.Context, s reader.Settings, c testCase[querier]) (any, error) {
	ctx = reader.WithSettings(ctx, s)
	tx, err := b.db.(interface {
		Begin(ctx context.Context) (pgx.Tx, error)
	}).Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(ctx)
	value, err := c.run(ctx, tx)
	if err != nil {
		return value, err
	}
	return value, tx.Commit(ctx)
}

func settledSystems(s setup) []system[settler] {
	return []system[settler]{
		{name: "pgxpool", open: func(t *testing.T) settler { return byTransaction{s.openPgxpool(t)} }},
		{name: "pool", open: func(t *testing.T) settler { return byContext{s.openPool(t)} }},
		{name: "transaction", open: func(t *testing.T) settler { return inBegin{s.openPool(t)} }},
		{name: "reader", open: func(t *testing.T) settler { return byContext{s.openPool(t).Reader()} }, readOnly: true},
	}
}

// settled is a case with settings.
func settled(name string, s reader.Settings, c testCase[querier]) testCase[settler] {
	return testCase[settler]{name + ": " + c.name, func(ctx context.Context, db settler) (any, error) {
		return db.run(ctx, s, c)
	}, c.writes}
}

// manySettings returns the settings of contexts that run at the same time.
func manySettings() map[string]reader.Settings {
	all := map[string]reader.Settings{
		"none":         {},
		"role only":    {Role: "adopter_app"},
		"setting only": {GUC: map[string]string{"app.tenant": "adopter_a"}},
		"two settings": {Role: "adopter_app", GUC: map[string]string{"app.tenant": "adopter_b", "app.region": "north"}},
		"quotes":       {Role: "adopter_app", GUC: map[string]string{"app.tenant": `'; drop table secrets; --\`}},
		"empty":        {Role: "adopter_app", GUC: map[string]string{"app.tenant": ""}},
		"time zone":    {GUC: map[string]string{"TimeZone": "Asia/Tokyo", "app.region": "east"}},
	}
	for _, tenant := range tenants {
		all["role "+tenant] = reader.Settings{Role: tenant}
		all["setting "+tenant] = reader.Settings{Role: "adopter_app", GUC: map[string]string{"app.tenant": tenant}}
	}
	return all
}

func settledCases() []testCase[settler] {
	texts := append(secretCases(),
		query("settings", `select current_user, coalesce(current_setting('app.tenant', true), ''), coalesce(current_setting('app.region', true), ''),
			current_setting('TimeZone'), timestamptz '2024-01-01 00:00:00+00'::text`),
		query("named", "select secret from secrets where id = @id order by tenant", pgx.NamedArgs{"id": 3}),
		query("mode", "select secret from secrets where id = $1 order by tenant", pgx.QueryExecModeExec, 3),
		query("simple", "select secret from secrets where id = $1 order by tenant", pgx.QueryExecModeSimpleProtocol, 3),
		// Not its columns: with a role, pgx's descriptions would be another role's, so they are
		// not kept, and pgx then returns no columns for a statement that fails before its first row.
		scan("division by zero", []any{0}, "select 1 / (id - 3) from secrets where id = 3"),
		scan("row", []any{0}, "select count(*) from secrets"),
		testCase[querier]{name: "exec", run: func(ctx context.Context, db querier) (any, error) {
			tag, err := db.Exec(ctx, "select * from secrets where id < $1", 5)
			return tag.String(), err
		}},
		testCase[querier]{name: "batch", run: func(ctx context.Context, db querier) (any, error) {
			b := &pgx.Batch{}
			b.Queue("select tenant, secret from secrets where id = $1 order by tenant", 4)
			b.Queue("select current_user, coalesce(current_setting('app.tenant', true), '')")
			results := db.SendBatch(ctx, b)
			first, err := collect(results.Query())
			second, err2 := collect(results.Query())
			return []any{first, second}, errors.Join(err, err2, results.Close())
		}},
		testCase[querier]{name: "write", writes: true, run: func(ctx context.Context, db querier) (any, error) {
			tag, err := db.Exec(ctx, "update secrets set secret = secret where id = 20 and tenant = 'adopter_a'")
			return tag.String(), err
		}},
	)
	var cases []testCase[settler]
	for name, s := range manySettings() {
		for _, c := range texts {
			cases = append(cases, settled(name, s, c))
		}
	}
	return append(cases,
		settled("timeout", reader.Settings{GUC: map[string]string{"statement_timeout": "30ms"}}, query("too slow", "select pg_sleep(1)")),
		settled("no timeout", reader.Settings{}, query("slow", "select pg_sleep(0.06)")),
		refused("no such role", reader.Settings{Role: "adopter_nobody"}),
		refused("no such setting", reader.Settings{GUC: map[string]string{"adopter_nothing": "x"}}),
		refused("no such value", reader.Settings{GUC: map[string]string{"TimeZone": "Nowhere/Nothing"}}),
	)
}

// refused is a case whose settings Postgres refuses. Only SQLSTATE is compared.
func refused(name string, s reader.Settings) testCase[settler] {
	return testCase[settler]{name: name, run: func(ctx context.Context, db settler) (any, error) {
		_, err := db.run(ctx, s, query("", "select 1"))
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
			return pg.Code, nil
		}
		return nil, err
	}}
}

// TestTenantsBySettings expects each statement to run with exactly its context's settings.
func TestTenantsBySettings(t *testing.T) {
	dsn := newTenants(t)
	for _, e := range environments(t, dsn) {
		t.Run(e.name, func(t *testing.T) {
			compare(t, settledSystems(setup{dsn: e.dsn(t)}), settledCases(), statements(4))
		})
	}
}

// TestSettingsInSettings expects inner settings to replace the outer ones.
func TestSettingsInSettings(t *testing.T) {
	s := setup{dsn: newTenants(t)}
	outer := reader.Settings{Role: "adopter_app", GUC: map[string]string{"app.tenant": "adopter_a", "app.region": "north"}}
	inner := reader.Settings{Role: "adopter_app", GUC: map[string]string{"app.tenant": "adopter_b"}}
	const sql = "select current_setting('app.tenant'), coalesce(current_setting('app.region', true), ''), (select count(*) from secrets)"
	for _, db := range []querier{s.openPool(t), s.openPool(t).Reader()} {
		fire(statements(20), func(i int) bool {
			ctx := reader.WithSettings(reader.WithSettings(context.Background(), outer), inner)
			var tenant, region string
			var n int
			if err := db.QueryRow(ctx, sql).Scan(&tenant, &region, &n); err != nil || tenant != "adopter_b" || region != "" || n != 20 {
				t.Errorf("%T: got %q, %q, %d rows, %v", db, tenant, region, n, err)
				return false
			}
			return true
		})
	}
}

// TestSettingsAreCopied changes the map after WithSettings.
func TestSettingsAreCopied(t *testing.T) {
	p := (setup{dsn: newTenants(t)}).openPool(t)
	for _, db := range []querier{p, p.Reader()} {
		guc := map[string]string{"app.tenant": "adopter_a"}
		ctx := reader.WithSettings(context.Background(), reader.Settings{GUC: guc})
		guc["app.tenant"] = "adopter_b"
		var tenant string
		if err := db.QueryRow(ctx, "select current_setting('app.tenant')").Scan(&tenant); err != nil || tenant != "adopter_a" {
			t.Errorf("%T: got %q, %v", db, tenant, err)
		}
	}
}

// TestSettingsThroughOpenDB expects a *sql.DB to refuse what it cannot keep: database/sql
// does not say where a transaction ends.
func TestSettingsThroughOpenDB(t *testing.T) {
	db := openDB((setup{dsn: newTenants(t)}).openPool(t))
	defer db.Close()
	fire(statements(10), func(i int) bool {
		ctx := reader.WithSettings(context.Background(), reader.Settings{Role: "adopter_app", GUC: map[string]string{"app.tenant": tenants[i%len(tenants)]}})
		_, queryErr := db.QueryContext(ctx, "select secret from secrets")
		_, beginErr := db.BeginTx(ctx, nil)
		for _, err := range []error{queryErr, beginErr} {
			if err == nil || !strings.Contains(err.Error(), "use Begin") {
				t.Errorf("got %v", err)
			}
		}
		return true
	})
}
