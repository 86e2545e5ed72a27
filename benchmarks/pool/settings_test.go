package pool

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// BenchmarkSettings reads by 64 tenants, each under row level security with its own
// role and setting: as reader.WithSettings does it, and as it is done with pgxpool.
func BenchmarkSettings(b *testing.B) {
	setUpTenants(b)
	const callers = 64
	b.Run("impl=reader", func(b *testing.B) {
		r := open(b, server.DSN()+"&pool_max_conns=8").Reader()
		measureQueries(b, callers, func(ctx context.Context, id int) error { return ofTenant(ctx, r, id) })
	})
	for _, size := range []int32{4, 8, 16, 50} {
		b.Run(fmt.Sprintf("impl=pgxpool-%d", size), func(b *testing.B) {
			p := fixed(b, server.DSN(), size)
			measureQueries(b, callers, func(ctx context.Context, id int) error { return ofTenant(ctx, p, id) })
		})
	}
}

// setUpTenants makes a table under row level security, and the role of its tenants.
func setUpTenants(b *testing.B) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), server.DSN())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	for _, sql := range []string{
		"drop table if exists notes", "drop role if exists benchmark_tenant", "create role benchmark_tenant",
		"create table notes as select i as id, i % 64 as tenant, md5(i::text) as text from generate_series(1, 100000) i",
		"alter table notes add primary key (id)", "grant select on notes to benchmark_tenant",
		"alter table notes enable row level security",
		"create policy own on notes using (tenant = current_setting('app.tenant')::int)", "analyze notes",
	} {
		if _, err := conn.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
}
