package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/gqlboost/gqlboost/internal/postgres"
)

var pgbouncer = program{"pgbouncer", "pgbouncer"}

// pooled is how many connections PgBouncer opens to the primary. The leases leave them to it.
const pooled = 15

// poolerConfig has all instances share the connections to the primary, transaction by
// transaction. It looks for a new primary every second.
const poolerConfig = `[databases]
postgres = host=127.0.0.1 port=%[1]s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %[2]s
unix_socket_dir =
auth_type = trust
auth_file = %[3]s
admin_users = %[4]s
pool_mode = transaction
default_pool_size = %[5]d
max_client_conn = 1000
server_reset_query =
server_login_retry = 1
server_connect_timeout = 2
`

// pooler is a PgBouncer. It is started again when it ends, as a service manager does:
// versions before 1.20 exit now and then when a query is canceled.
type pooler struct {
	dir, address string

	mu      sync.Mutex
	process *process
	stopped bool
	kept    sync.WaitGroup
}

func startPooler(ctx context.Context, primary *postgres.Server) (*pooler, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &pooler{address: address}
	if p.dir, err = os.MkdirTemp("", "gqlboost-pgbouncer-"); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if err := errors.Join(os.Chmod(p.dir, 0o755), p.write(primary), p.start(ctx)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	p.kept.Go(p.keep)
	return p, nil
}

// write writes the configuration, for root to be read by the account that PgBouncer runs as.
func (p *pooler) write(primary *postgres.Server) error {
	u, err := url.Parse(primary.DSN())
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	_, port, err := net.SplitHostPort(p.address)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	users := filepath.Join(p.dir, "users")
	config := fmt.Appendf(nil, poolerConfig, u.Port(), port, users, role, pooled)
	return errors.Join(os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", role, ""), 0o644),
		os.WriteFile(p.config(), config, 0o644))
}

func (p *pooler) config() string { return filepath.Join(p.dir, "pgbouncer.ini") }

func (p *pooler) start(ctx context.Context) error {
	args := []string{"-q", p.config()}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...) // It refuses to run as root.
	}
	started, err := startProcess(ctx, pgbouncer, p.address, args...)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped { // Meanwhile: stop has killed the process before this one, and waits for keep.
		started.kill()
		return errors.New("fleet: pgbouncer is stopped")
	}
	p.process = started
	return nil
}

// keep starts it again until it is stopped.
func (p *pooler) keep() {
	for {
		p.mu.Lock()
		process := p.process
		p.mu.Unlock()
		<-process.exited
		p.mu.Lock()
		stopped := p.stopped
		p.mu.Unlock()
		if stopped || p.start(context.Background()) != nil {
			return
		}
	}
}

// point sends what comes from now on to another primary.
func (p *pooler) point(ctx context.Context, primary *postgres.Server) error {
	if err := p.write(primary); err != nil {
		return err
	}
	config, err := pgx.ParseConfig("postgres://" + role + "@" + p.address + "/pgbouncer?sslmode=disable")
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("fleet: pgbouncer: %w", err)
	}
	_, err = conn.Exec(ctx, "RELOAD")
	return errors.Join(err, conn.Close(ctx))
}

// dsn connects through it.
func (p *pooler) dsn() string { return "postgres://" + p.address + "/postgres?sslmode=disable" }

func (p *pooler) stop() error {
	p.mu.Lock()
	p.stopped = true
	process := p.process
	p.mu.Unlock()
	process.kill() // It would wait for its clients otherwise.
	p.kept.Wait()
	return os.RemoveAll(p.dir)
}
