package load

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"

	"github.com/gqlboost/gqlboost/benchmarks/internal/guard"
	"github.com/gqlboost/gqlboost/internal/postgres"
)

// Testbed is a private Postgres and the binaries of the example servers.
type Testbed struct {
	Postgres *postgres.Server
	dir      string
	release  func() // of the folder's guard
	binaries map[string]string
}

// OpenTestbed starts Postgres and builds the named servers of examples/. The caller
// closes the testbed.
func OpenTestbed(ctx context.Context, servers ...string) (*Testbed, error) {
	return OpenTestbedWith(ctx, nil, servers...)
}

// OpenTestbedWith is [OpenTestbed] with other settings of Postgres than the usual ones.
func OpenTestbedWith(ctx context.Context, settings map[string]string, servers ...string) (*Testbed, error) {
	pg, err := startPostgres(ctx, settings)
	if err != nil {
		return nil, err
	}
	l := &Testbed{Postgres: pg, binaries: map[string]string{}}
	if l.dir, err = os.MkdirTemp("", "gqlboost-load-"); err != nil {
		return nil, errors.Join(err, pg.Stop())
	}
	if l.release, err = guard.Folder(l.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(l.dir), pg.Stop())
	}
	for _, name := range servers {
		if err := l.Build(ctx, "examples", name); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// Build adds a server of a module of the repository, unless it is there.
func (l *Testbed) Build(ctx context.Context, module, name string) error {
	if l.binaries[name] != "" {
		return nil
	}
	root, err := SourceRoot()
	if err != nil {
		return err
	}
	return l.BuildAs(ctx, name, root, module, name)
}

// BuildAs adds a server under a name of its own: from another checkout, or with flags of go
// build.
func (l *Testbed) BuildAs(ctx context.Context, as, root, module, name string, flags ...string) error {
	binary := filepath.Join(l.dir, as)
	if err := build(ctx, root, module, name, binary, flags...); err != nil {
		return err
	}
	l.binaries[as] = binary
	return nil
}

// Launch starts one of the testbed's servers. It appears in reports as label.
func (l *Testbed) Launch(ctx context.Context, server, label string, args ...string) (*Server, error) {
	s, err := l.LaunchOn(ctx, server, label, l.Postgres.DSN(), args...)
	if err != nil {
		return nil, err
	}
	s.PostgresPID = l.Postgres.PID()
	return s, nil
}

// LaunchOn is [Testbed.Launch] on another Postgres, or as another user.
func (l *Testbed) LaunchOn(ctx context.Context, server, label, dsn string, args ...string) (*Server, error) {
	return Launch(ctx, label, l.binaries[server], dsn, args...)
}

// Dir is the testbed's folder, which goes with it.
func (l *Testbed) Dir() string { return l.dir }

// Close stops Postgres and removes the binaries.
func (l *Testbed) Close() error {
	err := errors.Join(l.Postgres.Stop(), os.RemoveAll(l.dir))
	l.release()
	return err
}

// startPostgres starts the private Postgres that servers under load use: its
// settings are those of a small production machine, but nothing is synced to
// disk, because the disk is not what is measured.
func startPostgres(ctx context.Context, own map[string]string) (*postgres.Server, error) {
	settings := postgres.Volatile()
	settings["shared_buffers"] = "256MB"
	settings["random_page_cost"] = "1.1"
	settings["max_connections"] = "600" // Two dozen servers share it, with 25 each.
	settings["jit"] = "off"
	maps.Copy(settings, own)
	return postgres.Start(ctx, postgres.Options{Settings: settings, Preload: []string{"pg_stat_statements"}})
}
