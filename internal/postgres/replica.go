package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Replica starts a physical replica that streams from this server, which must run
// PostgreSQL 15 or later. The caller stops it, before or after this one.
func (s *Server) Replica(ctx context.Context) (*Server, error) {
	if s.dropDatabase != nil {
		return nil, ErrShared
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return provide(s.owner, s.options, func(r *Server) error {
		r.bin = s.bin
		if err := s.backup(ctx, r.data()); err != nil {
			return err
		}
		primary := fmt.Sprintf("primary_conninfo = '%s'\n", strings.ReplaceAll(s.socketDSN, "'", "''"))
		if err := appendFile(filepath.Join(r.data(), "postgresql.auto.conf"), primary); err != nil {
			return err
		}
		if err := appendFile(filepath.Join(r.data(), "standby.signal"), ""); err != nil {
			return err
		}
		if err := r.owner.own(r.dir); err != nil {
			return err
		}
		return r.launch(ctx)
	})
}

// backup copies the files of the running server, in the way that Postgres's manual
// calls the low-level API: pg_basebackup is not installed everywhere.
func (s *Server) backup(ctx context.Context, to string) error {
	conn, err := pgconn.Connect(ctx, s.socketDSN)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if err := conn.Exec(ctx, "select pg_backup_start('replica', true)").Close(); err != nil {
		return fmt.Errorf("postgres: backup: %w", err)
	}
	if err := copyData(s.data(), to); err != nil {
		return fmt.Errorf("postgres: backup: %w", err)
	}
	result := conn.ExecParams(ctx, "select labelfile from pg_backup_stop(false)", nil, nil, nil, nil).Read()
	if result.Err != nil {
		return fmt.Errorf("postgres: backup: %w", result.Err)
	}
	return os.WriteFile(filepath.Join(to, "backup_label"), result.Rows[0][0], 0o600)
}

// copyData copies a folder that a server changes meanwhile: files may go away.
func copyData(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		case name == "postmaster.pid" || name == "postmaster.opts" || !entry.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o600)
	})
}

func appendFile(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
