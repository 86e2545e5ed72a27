package load

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Speed is how fast the machine is beside a load, by what does not call the server: it helps to tell a server that has
// become slower from a machine that has. A server that takes more of the CPU, of its caches or of Postgres than
// before slows it down, too: that shows in the CPU time for each request. 0 is not known.
type Speed struct {
	// Work is the median time of a piece of work that is always the same, in the CPU and in memory. It is so short
	// that hardly anything comes in between.
	Work float64 `json:"workMs,omitempty"`
	// Statement is the median time of a statement of Postgres that is always the same, on a connection of its
	// own. It has the waits for the CPU in it that a request has. It is not known if a statement has failed.
	Statement float64 `json:"statementMs,omitempty"`
}

// gauge measures the machine's speed from begin to end.
type gauge struct {
	stop  context.CancelFunc
	ended chan struct{}

	work, statements []float64 // milliseconds
	err              error     // of a statement, the last one then
}

const (
	gaugeEvery     = 50 * time.Millisecond
	gaugeStatement = "select sum(length(repeat('a', n))) from generate_series(1, 200) n"
)

// beginGauge begins to measure, with Postgres if there is one.
func beginGauge(ctx context.Context, dsn string) (*gauge, error) {
	var conn *pgx.Conn
	if dsn != "" {
		var err error
		if conn, err = connectGauge(ctx, dsn); err != nil {
			return nil, err
		}
	}
	g := &gauge{ended: make(chan struct{})}
	ctx, g.stop = context.WithCancel(ctx)
	go g.run(ctx, newPiece(), conn) // Making the piece takes a while, and should not be beside the load.
	return g, nil
}

// gaugeName is the application_name of the gauge's connection, which is not one of the server's.
const gaugeName = "gqlboost-gauge"

func connectGauge(ctx context.Context, dsn string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = gaugeName
	return pgx.ConnectConfig(ctx, config)
}

func (g *gauge) run(ctx context.Context, piece *piece, conn *pgx.Conn) {
	defer close(g.ended)
	ticker := time.NewTicker(gaugeEvery)
	defer ticker.Stop()
	if conn != nil {
		defer conn.Close(context.WithoutCancel(ctx))
	}
	for {
		g.work = append(g.work, milliseconds(piece.do))
		if conn != nil && g.err == nil {
			g.statements = append(g.statements, milliseconds(func() { g.err = examine(ctx, conn) }))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// examine runs the statement. It is not canceled with ctx, which would close the connection: it takes a moment, except
// when Postgres hangs.
func examine(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	_, err := conn.Exec(ctx, gaugeStatement)
	return err
}

// end returns what was measured. That a statement has failed is no error: requests fail then, and are counted.
func (g *gauge) end() Speed {
	g.stop()
	<-g.ended
	s := Speed{Work: median(g.work)}
	if g.err == nil {
		s.Statement = median(g.statements)
	}
	return s
}

func milliseconds(f func()) float64 {
	began := time.Now()
	f()
	return float64(time.Since(began)) / float64(time.Millisecond)
}

// median returns 0 of nothing.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	return (values[n/2] + values[(n-1)/2]) / 2
}

// piece is a piece of work of about 0.1 ms: a hash, which needs the CPU alone, and a walk through memory that is larger
// than a core's own caches.
type piece struct {
	data []byte
	next []int32 // a cycle through all of it
	at   int32
}

func newPiece() *piece {
	const size = 1 << 20
	p := &piece{data: make([]byte, 32<<10), next: make([]int32, size)}
	order := rand.New(rand.NewPCG(1, 2)).Perm(size)
	for i, at := range order {
		p.next[at] = int32(order[(i+1)%size])
	}
	return p
}

func (p *piece) do() {
	sum := sha256.Sum256(p.data)
	copy(p.data, sum[:]) // so that it is not left out
	for range 1000 {
		p.at = p.next[p.at]
	}
}
