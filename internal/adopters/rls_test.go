package adopters

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tenants are the roles and the values of app.tenant. The last one needs quotes.
var tenants = []string{"adopter_a", "adopter_b", `adopter "c" o'hara`}

const rlsSchema = `
create table secrets (id int, tenant text not null, secret text, primary key (tenant, id));
alter table secrets enable row level security;
create role adopter_a; create role adopter_b; create role "adopter ""c"" o'hara"; create role adopter_app;
create policy by_role on secrets to adopter_a, adopter_b, "adopter ""c"" o'hara" using (tenant = current_user);
create policy by_setting on secrets to adopter_app using (tenant = current_setting('app.tenant', true));
grant select, insert, update on secrets to public;
insert into secrets select n, t, t || ' ' || n
from generate_series(1, 20) n, unnest(array['adopter_a', 'adopter_b', 'adopter "c" o''hara']) t;
`

// newTenants creates a database in which each tenant can read only its own rows.
func newTenants(t *testing.T) string {
	dsn := newDatabase(t, rlsSchema)
	t.Cleanup(func() {
		const roles = `adopter_a, adopter_b, "adopter ""c"" o'hara", adopter_app`
		execute(t, dsn, "drop owned by "+roles)
		execute(t, dsn, "drop role "+roles)
	})
	return dsn
}

// secretCases returns cases whose SQL is the same for every tenant.
func secretCases() []testCase[querier] {
	cases := []testCase[querier]{
		query("all", "select * from secrets order by tenant, id"),
		query("tenants", "select distinct tenant from secrets order by tenant"),
		query("who", "select current_user, coalesce(current_setting('app.tenant', true), '')"),
		query("denied", "select * from pg_authid"),
	}
	for id := range 8 {
		cases = append(cases, query(fmt.Sprint("secret ", id), "select tenant, secret from secrets where id = $1", id))
	}
	return cases
}

// TestTenantsByRole has a pool for each role, set in AfterConnect.
func TestTenantsByRole(t *testing.T) {
	dsn := newTenants(t)
	for _, e := range environments(t, dsn) {
		if !e.sessions {
			continue // Sessions are shared there, with pgxpool too.
		}
		t.Run(e.name, func(t *testing.T) {
			dsn := e.dsn(t)
			setups := map[string]setup{}
			var cases []testCase[map[string]querier]
			for _, tenant := range tenants[:2] {
				setups[tenant] = afterConnect(dsn, "set role "+pgx.Identifier{tenant}.Sanitize())
				for _, c := range secretCases() {
					cases = append(cases, in(tenant, c))
				}
			}
			compare(t, many(setups), cases, statements(4))
		})
	}
}

type tenantKey struct{}

var errNoTenant = errors.New("the context has no tenant")

// forTenant is a case with the tenant in its context.
func forTenant(tenant string, c testCase[querier]) testCase[querier] {
	return testCase[querier]{tenant + ": " + c.name, func(ctx context.Context, db querier) (any, error) {
		return c.run(context.WithValue(ctx, tenantKey{}, tenant), db)
	}, c.writes}
}

// setTenant sets the tenant of the session from the context.
func setTenant(ctx context.Context, conn *pgx.Conn) error {
	tenant, ok := ctx.Value(tenantKey{}).(string)
	if !ok {
		return errNoTenant
	}
	_, err := conn.Exec(ctx, "select set_config('app.tenant', $1, false)", tenant)
	return err
}

// TestTenantsByHook has one pool, and a hook that takes the tenant from the context.
func TestTenantsByHook(t *testing.T) {
	hooks := map[string]func(c *pgxpool.Config){
		"PrepareConn": func(c *pgxpool.Config) {
			c.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
				err := setTenant(ctx, conn)
				return err == nil || errors.Is(err, errNoTenant), err
			}
		},
		"BeforeAcquire": func(c *pgxpool.Config) {
			//lint:ignore SA1019 Programs use it.
			c.BeforeAcquire = func(ctx context.Context, conn *pgx.Conn) bool {
				err := setTenant(ctx, conn)
				return err == nil || errors.Is(err, errNoTenant)
			}
		},
		"reset in AfterRelease": func(c *pgxpool.Config) {
			c.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
				err := setTenant(ctx, conn)
				return err == nil || errors.Is(err, errNoTenant), nil
			}
			c.AfterRelease = func(conn *pgx.Conn) bool {
				_, err := conn.Exec(context.Background(), "select set_config('app.tenant', '', false)")
				return err == nil
			}
		},
	}
	dsn := newTenants(t)
	for name, hook := range hooks {
		for _, e := range environments(t, dsn) {
			if !e.sessions {
				continue
			}
			t.Run(name+"-"+e.name, func(t *testing.T) {
				var cases []testCase[querier]
				for _, c := range secretCases() {
					for _, tenant := range tenants {
						cases = append(cases, forTenant(tenant, c))
					}
					if name != "BeforeAcquire" { // The session keeps the previous tenant.
						c.name = "no tenant: " + c.name
						cases = append(cases, c)
					}
				}
				s := setup{dsn: e.dsn(t), configure: func(c *pgxpool.Config) {
					c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
						_, err := conn.Exec(ctx, "set role adopter_app")
						return err
					}
					hook(c)
				}}
				compare(t, s.systems(), cases, statements(10))
			})
		}
	}
}
