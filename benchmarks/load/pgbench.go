package load

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// PGBench is Postgres's own benchmark, as the limit of what a server can do with one
// connection for each client: it sends the statements of examples/direct for the
// operations of the mix, and drops their rows.
type PGBench struct {
	program string
	testbed *Testbed
	scripts string // their folder
	totals  Totals
}

// NewPGBench returns it for the data of a testbed. It fails where pgbench is not installed.
func (l *Testbed) NewPGBench(totals Totals) (*PGBench, error) {
	program, err := exec.LookPath("pgbench")
	if err != nil {
		return nil, errors.New("load: pgbench is missing: it comes with PostgreSQL (Debian's package postgresql-contrib)")
	}
	root, err := SourceRoot()
	if err != nil {
		return nil, err
	}
	return &PGBench{program, l, filepath.Join(root, "benchmarks", "peers", "pgbench"), totals}, nil
}

// pgbenchSlack is how long pgbench goes on behind the measured time: the CPU time of a
// backend that has gone is gone as well, and looking at hundreds of them takes a while.
const pgbenchSlack = 2 * time.Second

// String returns its name in reports.
func (*PGBench) String() string { return "pgbench" }

// Measure runs the config's mix as a closed loop of its clients. The rest of the config
// is not for it.
func (b *PGBench) Measure(ctx context.Context, c Config, log io.Writer) (*Result, error) {
	dir, err := os.MkdirTemp(b.testbed.dir, "pgbench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	flags, operations, err := b.mix(c.Mix, dir)
	if err != nil {
		return nil, err
	}
	seconds := strconv.Itoa(int((c.Warmup+c.Duration+pgbenchSlack)/time.Second) + 1)
	cmd := b.command(ctx, append(flags, "--time", seconds, "--client", strconv.Itoa(c.Clients),
		"--jobs", strconv.Itoa(runtime.NumCPU()), "--random-seed", strconv.FormatUint(c.Seed, 10),
		"--log", "--log-prefix", filepath.Join(dir, "log")))
	var output syncBuffer
	cmd.Stdout, cmd.Stderr = &output, &output
	fmt.Fprintf(log, "%s: closed loop, %d clients for %v\n", b, c.Clients, c.Duration)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pg := b.testbed.Postgres
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// On a busy machine that alone takes seconds, and pgbench counts from then on.
	if err := connected(ctx, pg.DSN(), c.Clients, ended); err != nil {
		_ = cmd.Process.Kill() // Fails only if it has exited.
		return nil, fmt.Errorf("load: pgbench: %w%s", err, complaints(output.String()))
	}
	sleep(ctx, c.Warmup)
	begin := time.Now()
	m := startMeter(ctx, Target{PID: cmd.Process.Pid, PostgresPID: pg.PID(), PostgresDSN: pg.DSN()})
	sleep(ctx, c.Duration-time.Since(begin))
	recorder := newRecorder(c.Mix)
	measured := time.Since(begin)
	resources, conditions := m.end(ctx, 1, c.Cores)
	if err := <-ended; err != nil {
		return nil, fmt.Errorf("load: pgbench: %w%s", errors.Join(err, ctx.Err()), complaints(output.String()))
	}
	if err := readLogs(dir, recorder, operations, begin, measured); err != nil {
		return nil, err
	}
	result := recorder.result(c.Mix, measured)
	result.Server, result.Mode, result.Clients, result.Conditions = b.String(), c.Mode(), c.Clients, conditions
	if err := result.enough(cmp.Or(c.MinRequests, MinRequests)); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output.String())
	}
	resources.Statements /= float64(result.Requests)
	result.Resources = resources
	return result, nil
}

// connectTimeout is how long pgbench may take to connect its clients.
const connectTimeout = time.Minute

// connected waits until Postgres has so many sessions of pgbench, unless it ends before.
func connected(ctx context.Context, dsn string, clients int, ended chan error) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		var sessions int
		err := conn.QueryRow(ctx, "select count(*) from pg_stat_activity where application_name = 'pgbench'").Scan(&sessions)
		if err != nil {
			return err
		}
		if sessions >= clients {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("it ended with %d of %d clients: %w", sessions, clients, cmp.Or(err, io.ErrUnexpectedEOF))
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// complaints are the lines of pgbench's output that say what went wrong: the statistics
// would bury them.
func complaints(output string) string {
	var list strings.Builder
	for line := range strings.Lines(output) {
		if strings.Contains(strings.ToLower(line), "error") {
			list.WriteString("\n" + strings.TrimSpace(line))
		}
	}
	return list.String()
}

// command returns a run on the testbed's data.
func (b *PGBench) command(ctx context.Context, flags []string) *exec.Cmd {
	args := []string{
		"--no-vacuum", "--protocol", "prepared",
		"-D", "tags={load}", "-D", "text=Seen by the load test", "-D", "body=" + newBody,
	}
	for _, of := range []struct {
		name  string
		total int
	}{{"users", b.totals.Users}, {"posts", b.totals.Posts}, {"comments", b.totals.Comments}} {
		args = append(args, "-D", fmt.Sprintf("%s=%d", of.name, of.total))
		args = append(args, "-D", fmt.Sprintf("%s_step=%d", of.name, scatterStep(of.total)))
	}
	for i, word := range words {
		args = append(args, "-D", fmt.Sprintf("word%d=%s", i, word))
	}
	return exec.CommandContext(ctx, b.program, append(append(args, flags...), b.testbed.Postgres.DSN())...)
}

// mix writes the scripts of a mix, and returns the flags that name them, and the operation
// of each. A script cannot choose a word: there is one for each.
func (b *PGBench) mix(mix Mix, dir string) (flags []string, operations []int, err error) {
	for i, o := range mix {
		if o.Weight == 0 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(b.scripts, o.Name+".sql"))
		if err != nil {
			return nil, nil, err
		}
		copies := len(words)
		if !strings.Contains(string(text), ":word") {
			copies = 1
		}
		for n := range copies {
			name := filepath.Join(dir, fmt.Sprintf("%s%d.sql", o.Name, n))
			one := strings.ReplaceAll(string(text), ":word", fmt.Sprintf(":word%d", n))
			if err := os.WriteFile(name, []byte(one), 0o644); err != nil {
				return nil, nil, err
			}
			flags = append(flags, "--file", fmt.Sprintf("%s@%d", name, o.Weight*len(words)/copies))
			operations = append(operations, i)
		}
	}
	return flags, operations, nil
}

// readLogs records the transactions that ended in the measured time.
func readLogs(dir string, to *recorder, operations []int, begin time.Time, measured time.Duration) error {
	logs, err := filepath.Glob(filepath.Join(dir, "log.*"))
	if err != nil {
		return err
	}
	for _, name := range logs {
		if err := readLog(name, to, operations, begin, measured); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func readLog(name string, to *recorder, operations []int, begin time.Time, measured time.Duration) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var client, transaction, script int
		var micros, epoch, rest int64
		if _, err := fmt.Sscan(lines.Text(), &client, &transaction, &micros, &script, &epoch, &rest); err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
		at := time.Unix(epoch, 1000*rest).Sub(begin)
		if at >= 0 && at < measured {
			to.record(operations[script], at, time.Duration(micros)*time.Microsecond, 0, nil)
		}
	}
	return lines.Err()
}
