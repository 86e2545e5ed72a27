package advisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Snapshot is what Postgres had counted of statements and indexes at a moment. What
// happens from then on is the difference, see [Options.Since]. It can be written as JSON.
type Snapshot struct {
	At         time.Time          `json:"at"`
	Statements map[int64]Counters `json:"statements"` // by query id
	Scans      map[uint32]int64   `json:"scans"`      // of indexes, by oid
}

// Counters are those of a statement in pg_stat_statements.
type Counters struct {
	Calls       int64         `json:"calls"`
	Total       time.Duration `json:"total"`
	Rows        int64         `json:"rows"`
	BlocksHit   int64         `json:"blocksHit"` // of 8 KiB, from the cache
	BlocksRead  int64         `json:"blocksRead"`
	TempWritten int64         `json:"tempWritten"` // blocks of temporary files
	WALBytes    int64         `json:"walBytes"`
}

// since is what was counted after old. Counters that were reset meanwhile begin again.
func (c Counters) since(old Counters) Counters {
	if c.Calls < old.Calls {
		return c
	}
	return c.minus(old)
}

// TakeSnapshot reads the counters.
func TakeSnapshot(ctx context.Context, db DB) (*Snapshot, error) {
	s := &Snapshot{Statements: map[int64]Counters{}, Scans: map[uint32]int64{}}
	err := readOnly(ctx, db, Options{}.withDefaults().Timeout, func(tx pgx.Tx) error {
		server, err := inspect(ctx, tx)
		if err != nil {
			return err
		}
		a := &analysis{tx: tx, server: server, report: new(Report)}
		counted, err := a.counted(ctx)
		if err != nil && !errors.Is(err, errNotCounted) {
			return err
		}
		for id, each := range counted {
			s.Statements[id] = each.Counters
		}
		if err := tx.QueryRow(ctx, "select "+ourOwn+" now()").Scan(&s.At); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "select "+ourOwn+" indexrelid, idx_scan from pg_stat_user_indexes")
		if err != nil {
			return err
		}
		var oid uint32
		var scans int64
		_, err = pgx.ForEachRow(rows, []any{&oid, &scans}, func() error {
			s.Scans[oid] = scans
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("advisor: %w", err)
	}
	return s, nil
}

// ReadSnapshot reads what [Snapshot.Write] has written.
func ReadSnapshot(r io.Reader) (*Snapshot, error) {
	s := new(Snapshot)
	if err := json.NewDecoder(r).Decode(s); err != nil {
		return nil, fmt.Errorf("advisor: snapshot: %w", err)
	}
	return s, nil
}

// Write writes the snapshot as JSON.
func (s *Snapshot) Write(w io.Writer) error { return json.NewEncoder(w).Encode(s) }

// counted is a statement that Postgres has counted.
type counted struct {
	Counters
	sql  string
	role string // that has spent the most time on it
}

// errNotCounted is the reason why there are no counters of statements.
var errNotCounted = errors.New("statements are not counted")

// counted reads pg_stat_statements: what was run in this database, by whomever. Its
// columns that are used here are the same in all versions of it since 1.8 (PostgreSQL 13).
func (a *analysis) counted(ctx context.Context) (map[int64]counted, error) {
	schema, ok := a.server.extensions["pg_stat_statements"]
	if !ok {
		return nil, fmt.Errorf(
			"%w: the extension pg_stat_statements is not installed (shared_preload_libraries = 'pg_stat_statements', and "+
				"CREATE EXTENSION pg_stat_statements)",
			errNotCounted,
		)
	}
	found := map[int64]counted{}
	err := a.savepoint(ctx, func() error {
		rows, err := a.tx.Query(
			ctx,
			fmt.Sprintf(
				`select `+ourOwn+
					` queryid, max(query), (array_agg(coalesce(r.rolname, '') order by total_exec_time desc))[1], sum(calls)::bigint, sum(total_exec_time), sum(rows)::bigint, sum(shared_blks_hit)::bigint,
				sum(shared_blks_read)::bigint, sum(temp_blks_written)::bigint, sum(wal_bytes)::bigint
			from %s.pg_stat_statements s join pg_database d on d.oid = s.dbid and d.datname = current_database()
				left join pg_roles r on r.oid = s.userid
			where queryid is not null group by queryid`,
				schema,
			),
		)
		if err != nil {
			return err
		}
		var id int64
		var sql *string
		var role string
		var ms float64
		var c Counters
		_, err = pgx.ForEachRow(
			rows,
			[]any{&id, &sql, &role, &c.Calls, &ms, &c.Rows, &c.BlocksHit, &c.BlocksRead, &c.TempWritten, &c.WALBytes},
			func() error {
				c.Total = time.Duration(ms * float64(time.Millisecond))
				if sql != nil {
					found[id] = counted{c, *sql, role}
				}
				return nil
			},
		)
		return err
	})
	var e *pgconn.PgError
	if errors.As(err, &e) { // It is not preloaded, or of an old version.
		return nil, fmt.Errorf("%w: pg_stat_statements: %s", errNotCounted, e.Message)
	}
	return found, err
}
