package advisor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is what is known of Postgres and of our rights.
type server struct {
	version    int // 150004 is 15.4
	name       string
	database   string
	extensions map[string]string // the schemas of what is installed
	available  map[string]bool   // what could be
	since      *time.Time        // when the database's counters were reset
	reads      bool              // we see everybody's counters
	replica    bool
	keywords   map[string]bool // that must be quoted as identifiers
}

func inspect(ctx context.Context, tx pgx.Tx) (s server, err error) {
	var keywords []string
	err = tx.QueryRow(ctx,
		`select `+ourOwn+
			` current_setting('server_version_num')::int, 'PostgreSQL ' || current_setting('server_version'), current_database(),
		(select stats_reset from pg_stat_database where datname = current_database()),
		pg_has_role('pg_read_all_stats', 'usage'), pg_is_in_recovery(),
		array(select word from pg_get_keywords() where catcode <> 'U')`).
		Scan(&s.version, &s.name, &s.database, &s.since, &s.reads, &s.replica, &keywords)
	if err != nil {
		return s, err
	}
	if s.version < 140000 {
		return s, fmt.Errorf("%s is older than PostgreSQL 14", s.name)
	}
	s.keywords = map[string]bool{}
	for _, word := range keywords {
		s.keywords[word] = true
	}
	s.extensions, s.available = map[string]string{}, map[string]bool{}
	rows, err := tx.Query(ctx, `select `+ourOwn+` a.name, n.nspname from pg_available_extensions a
		left join pg_extension e on e.extname = a.name left join pg_namespace n on n.oid = e.extnamespace`)
	if err != nil {
		return s, err
	}
	var name string
	var schema *string
	_, err = pgx.ForEachRow(rows, []any{&name, &schema}, func() error {
		s.available[name] = true
		if schema != nil {
			s.extensions[name] = pgx.Identifier{*schema}.Sanitize()
		}
		return nil
	})
	return s, err
}

// quote quotes an identifier if it needs it, as quote_ident does.
func (a *analysis) quote(name string) string {
	for i, r := range name {
		if !(r == '_' || 'a' <= r && r <= 'z' || i > 0 && '0' <= r && r <= '9') {
			return inQuotes(name)
		}
	}
	if a.server.keywords[name] {
		return inQuotes(name)
	}
	return name
}
