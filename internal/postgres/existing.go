package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// useExisting makes a database of its own on the server of dsn.
func useExisting(ctx context.Context, dsn string) (*Server, error) {
	name := "gqlboost_" + strings.ToLower(rand.Text())
	if err := execute(ctx, dsn, "create database "+name); err != nil {
		return nil, fmt.Errorf("postgres: %s: %w", EnvDSN, err)
	}
	own, err := withDatabase(dsn, name)
	if err != nil {
		return nil, err
	}
	return &Server{dsn: own, socketDSN: own, dropDatabase: func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		return execute(ctx, dsn, "drop database "+name+" with (force)")
	}}, nil
}

func execute(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// withDatabase replaces the database in a DSN of either form, URL or key=value
// (where the last one given counts).
func withDatabase(dsn, name string) (string, error) {
	if !strings.Contains(dsn, "://") {
		return dsn + " dbname=" + name, nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("postgres: %s: %w", EnvDSN, err)
	}
	u.Path = "/" + name
	query := u.Query()
	query.Del("dbname")
	query.Del("database")
	u.RawQuery = query.Encode()
	return u.String(), nil
}
