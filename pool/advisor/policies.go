package advisor

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Row level security adds a policy's condition to each statement of the roles that it is
// for. So statements are planned as the role that has run them; where that cannot be, the
// columns of the policies are put before the others of an index.

// roles are what is known of who runs the statements.
type roles struct {
	secured     bool              // a table has row level security
	passes      bool              // our own role is not subject to it
	wanted      string            // Options.Role, if we may be it
	application string            // a role that is subject to it, and that policies show rows
	ours        map[string]bool   // the roles that we may be
	searchPaths map[string]string // of roles that have one
	settings    map[string]string // that policies read, and a value that they take
}

func (a *analysis) readRoles(ctx context.Context) error {
	a.roles = roles{ours: map[string]bool{}, searchPaths: map[string]string{}, settings: map[string]string{}}
	r := &a.roles
	rows, err := a.tx.Query(ctx, `select `+ourOwn+` r.rolname, substring(c from 13)
		from pg_db_role_setting d join pg_roles r on r.oid = d.setrole, unnest(d.setconfig) c
		where d.setdatabase in (0, (select oid from pg_database where datname = current_database()))
			and c like 'search_path=%'
		order by d.setdatabase`)
	if err != nil {
		return err
	}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error { r.searchPaths[name] = value; return nil })
	if err != nil {
		return err
	}
	for _, t := range a.tables {
		r.secured = r.secured || t.secured
	}
	if !r.secured {
		return nil
	}
	if err := a.readPolicies(ctx); err != nil {
		return err
	}
	err = a.tx.QueryRow(ctx, `select `+ourOwn+` rolsuper or rolbypassrls from pg_roles where rolname = current_user`).
		Scan(&r.passes)
	if err != nil {
		return err
	}
	if err := a.readOurs(ctx); err != nil {
		return err
	}
	return a.tryRole(ctx)
}

// readOurs reads which roles we may be, and which of them may be the application's: those that
// are subject to row level security, and that policies show rows.
func (a *analysis) readOurs(ctx context.Context) error {
	right := "member"
	if a.server.version >= 160000 {
		right = "set"
	}
	rows, err := a.tx.Query(
		ctx,
		`select `+ourOwn+` r.rolname, not r.rolsuper and not r.rolbypassrls and exists (
				select from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_policy p on p.polrelid = c.oid
				where c.relrowsecurity and p.polpermissive and p.polcmd in ('*', 'r')
					and exists (select from unnest(p.polroles) member where member = 0 or pg_has_role(r.oid, member, 'usage'))
					and has_table_privilege(r.oid, c.oid, 'select') and has_schema_privilege(r.oid, n.oid, 'usage')
					and (c.relforcerowsecurity or not pg_has_role(r.oid, c.relowner, 'usage'))) as reads
		from pg_roles r where r.rolname !~ '^pg_' and pg_has_role(r.oid, $1)
		order by r.oid in (select unnest(polroles) from pg_policy) desc, r.rolname = current_user desc, r.rolcanlogin desc,
			r.rolname`,
		right,
	)
	if err != nil {
		return err
	}
	var name string
	var reads bool
	_, err = pgx.ForEachRow(rows, []any{&name, &reads}, func() error {
		if a.roles.ours[name] = true; reads {
			a.roles.application = cmp.Or(a.roles.application, name)
		}
		return nil
	})
	return err
}

// tryRole sees whether we may be the role that the options name.
func (a *analysis) tryRole(ctx context.Context) error {
	role := a.options.Role
	if role == "" {
		return nil
	}
	err := a.savepoint(ctx, func() error { return a.set(ctx, "role", role) })
	var e *pgconn.PgError
	switch {
	case err == nil:
		a.roles.wanted = role
	case errors.As(err, &e):
		a.miss("Statements cannot be planned as the role %q (Options.Role, -role): %s.", role, e.Message)
		a.blind("Statements cannot be planned as the role %q: %s.", role, e.Message)
	default:
		return err
	}
	return nil
}

// currentSetting finds settings of the program. Those of Postgres, without a dot, have values.
var currentSetting = regexp.MustCompile(`current_setting\('([^'.]+\.[^']+)'`)

// readPolicies reads the conditions of permissive and restrictive policies for reading.
func (a *analysis) readPolicies(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, `select `+ourOwn+` n.nspname || '.' || c.relname, pg_get_expr(p.polqual, p.polrelid)
		from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
		where c.relrowsecurity and p.polqual is not null and p.polcmd in ('*', 'r')
			and c.oid = any ($1::oid[])
		order by p.oid`, a.tableOIDs())
	if err != nil {
		return err
	}
	var name, condition string
	compared := map[string]*column{} // by setting
	of := map[string]*table{}
	_, err = pgx.ForEachRow(rows, []any{&name, &condition}, func() error {
		t := a.tables[name]
		if t == nil {
			return nil
		}
		for _, c := range clauses(t.qualified(condition)) {
			if c, ok := c.of(ofTable); ok {
				t.policies = append(t.policies, c)
				for _, m := range currentSetting.FindAllStringSubmatch(condition, -1) {
					compared[m[1]], of[m[1]] = t.columns[c.left.column.name], t
				}
			}
		}
		return nil
	})
	for setting, col := range compared {
		a.roles.settings[setting] = a.frequent(ctx, of[setting], col)
	}
	return err
}

// frequent returns a value that a column has, as policies are planned for what a setting
// is: the optimizer knows that a value that is not there finds nothing.
func (a *analysis) frequent(ctx context.Context, t *table, col *column) string {
	if col == nil {
		return ""
	}
	var value *string
	err := a.savepoint(ctx, func() error {
		return a.tx.QueryRow(ctx, `select `+ourOwn+` coalesce((most_common_vals::text::text[])[1],
				(histogram_bounds::text::text[])[cardinality(histogram_bounds::text::text[]) / 2])
			from pg_stats where schemaname = $1 and tablename = $2 and attname = $3 order by inherited desc limit 1`, t.schema,
			t.name, col.name).Scan(&value)
	})
	if err != nil || value == nil {
		return col.example()
	}
	return *value
}

// ofTable is the alias of a table in its own conditions, which have none.
const ofTable = "gqlboost_table"

// qualified puts an alias before the columns in a condition of a table.
func (t *table) qualified(condition string) string { return t.withAlias(condition, ofTable) }

func (t *table) withAlias(condition, alias string) string {
	tokens := tokenize(condition)
	for i, token := range tokens {
		named := i > 0 && (tokens[i-1] == "." || tokens[i-1] == "::")
		called := i+1 < len(tokens) && (tokens[i+1] == "(" || tokens[i+1] == ".")
		if isName(token) && !named && !called && t.columns[unquote(token)] != nil {
			tokens[i] = alias + "." + token
		}
	}
	return join(tokens)
}

// example returns a value that the column's type takes.
func (c *column) example() string {
	switch {
	case c == nil || c.isText():
		return ""
	case c.kind == "uuid":
		return "00000000-0000-0000-0000-000000000000"
	case strings.HasPrefix(c.kind, "timestamp") || c.kind == "date":
		return "2000-01-01"
	case c.kind == "boolean":
		return "true"
	}
	return "0"
}

// runAs says as which role a statement is planned.
func (a *analysis) runAs(s *statement) {
	switch r := &a.roles; {
	case !r.secured:
	case r.wanted != "":
		s.role = r.wanted
	case r.ours[s.ranBy]:
		s.role = s.ranBy
	default:
		s.role = r.application
	}
}

// errDenied is why a statement is not looked at that can be planned.
var errDenied = errors.New("row level security lets the role that plans it see no rows: set the application's role " +
	"(Options.Role, -role), and GRANT it TO the advisor's role")

// denied reports whether a plan reads nothing because row level security lets the role see no rows.
// It is the true plan of a role that has run the statement, and tells nothing about others.
func (a *analysis) denied(ctx context.Context, s *statement) bool {
	if !a.roles.secured || s.role != "" && s.role == s.ranBy || !s.plan.readsNothing() {
		return false
	}
	_, err := a.explain(ctx, s, explaining{sql: s.text.sql, setting: "set local row_security = off"})
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "42501" && // The query would be affected by row level security.
		a.seesNothing(ctx, s)
}

// seesNothing reports whether policies show the role that plans a statement no rows of some table that it
// reads. Otherwise it is the statement that asks for none, as WHERE 1 = 0 does.
func (a *analysis) seesNothing(ctx context.Context, of *statement) bool {
	var read []uint32
	_, err := a.explain(ctx, of, explaining{sql: of.text.sql, read: &read})
	for _, t := range a.tables {
		// If the role may not see locks, it may be any table: a false alarm is better than silence.
		if !t.secured || err == nil && !slices.Contains(read, t.oid) {
			continue
		}
		all := &statement{role: of.role, ranBy: of.ranBy}
		if plan, err := a.generic(ctx, all, "select from "+t.sql); err == nil && plan.readsNothing() {
			return true
		}
	}
	return false
}

// asApplication makes the session what it is for the program: its role, its search path,
// and the settings that policies read.
func (a *analysis) asApplication(ctx context.Context, s *statement) error {
	if path, ok := a.roles.searchPaths[cmp.Or(s.role, s.ranBy)]; ok {
		if err := a.set(ctx, "search_path", path); err != nil {
			return err
		}
	}
	for name, value := range a.roles.settings {
		if a.known(ctx, name) {
			continue // The session has a value of its own.
		}
		if err := a.set(ctx, name, value); err != nil {
			return err
		}
	}
	if s.role != "" {
		return a.set(ctx, "role", s.role)
	}
	return nil
}

// set sets a parameter until the savepoint is undone.
func (a *analysis) set(ctx context.Context, name, value string) error {
	_, err := a.tx.Exec(ctx, "select "+ourOwn+" set_config($1, $2, true)", name, value)
	return err
}

// known reports whether a setting has a value.
func (a *analysis) known(ctx context.Context, name string) bool {
	var value *string
	err := a.tx.QueryRow(ctx, "select "+ourOwn+" nullif(current_setting($1, true), '')", name).Scan(&value)
	return err == nil && value != nil
}

// warnOfPolicies says which tables' policies are not in the plans.
func (a *analysis) warnOfPolicies() {
	if !a.roles.secured || !a.roles.passes || a.roles.wanted != "" || a.roles.application != "" {
		return
	}
	var names []string
	for _, t := range a.tables {
		if t.secured {
			names = append(names, t.String())
		}
	}
	slices.Sort(names)
	a.miss(
		"Row level security of %s does not apply to the advisor's role, and no role was found to which it does: plans lack "+
			"the policies' conditions, whose columns are put first in advised indexes. Set the application's role "+
			"(Options.Role, -role).",
		strings.Join(names, ", "),
	)
}
