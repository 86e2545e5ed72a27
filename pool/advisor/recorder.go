package advisor

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// RecorderOptions say what a [Recorder] keeps. Zero fields have defaults.
type RecorderOptions struct {
	// Caller names where a statement is asked for, a field of the schema for example:
	//
	//	func(ctx context.Context) string { return graphql.GetFieldContext(ctx).Path().String() }
	//
	// It is called for some runs of each statement only, and for what a request repeats.
	// Numbers in the name, as those of list elements, are taken for one. If it panics, the
	// run has no name: the statement is over, and its caller must get the result.
	Caller func(ctx context.Context) string
	// NoSamples keeps no parameters. Statements are then planned for any value.
	NoSamples bool
	// Repeats is the number of times in one request from which on a statement is noted, 5 by default.
	Repeats int
}

const (
	defaultRepeats   = 5
	maxStatements    = 4096     // texts that are told apart: made up ones must not fill the memory
	maxText          = 64 << 10 // bytes of a text; longer ones are not recorded
	maxTexts         = 32 << 20 // bytes of all texts
	maxCallers       = 16       // of a statement
	maxSamples       = 8        // of a statement
	maxSampleBytes   = 4 << 10
	histogramBuckets = 40 // of powers of two nanoseconds

	// When a statement has had exactly runs of one duration, one of oneOf counts for
	// them all: what runs often needs no exact count, and counting costs a fiftieth of
	// the fastest queries.
	exactly = 1000
	oneOf   = 8
)

// Recorder sees statements as the program does. It is a tracer of pgx, for pgxpool and
// package pool, whose Reader reports statements that share connections to it as well:
//
//	config.ConnConfig.Tracer = recorder
//
// It takes some 100 to 200 ns for a statement, and is safe for concurrent use. It keeps 4096 texts
// of statements of at most 64 KiB each, and 32 MiB in all; what comes after these is not recorded.
type Recorder struct {
	options RecorderOptions
	since   time.Time

	statements bounded[seen]         // by text
	prepared   bounded[seen]         // by the names that the program has given them
	requests   bounded[atomic.Int64] // how many there were, by name

	mu      sync.Mutex
	repeats map[repeatKey]*Repeat
}

// seen is what was seen of a statement.
type seen struct {
	sql   string
	often atomic.Bool // so often that some of its runs are enough

	counts struct {
		errors, rows, nanos atomic.Int64
		buckets             [histogramBuckets]atomic.Int64 // by duration: their sum is that of the runs
	}

	mu      sync.Mutex
	callers map[string]int64
	samples [][]*string
}

// NewRecorder returns a recorder of nothing yet.
func NewRecorder(o RecorderOptions) *Recorder {
	if o.Repeats <= 0 {
		o.Repeats = defaultRepeats
	}
	return &Recorder{options: o, since: time.Now(), repeats: map[repeatKey]*Repeat{}}
}

var (
	_ pgx.QueryTracer   = (*Recorder)(nil)
	_ pgx.BatchTracer   = (*Recorder)(nil)
	_ pgx.PrepareTracer = (*Recorder)(nil)
)

// run is a statement that is under way, and its context.
type run struct {
	context.Context
	sql   string
	args  []any
	start time.Time
}

type runKey struct{}

// Value implements [context.Context].
func (r *run) Value(key any) any {
	if key == (runKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// TraceQueryStart implements [pgx.QueryTracer].
func (r *Recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return &run{ctx, data.SQL, data.Args, time.Now()}
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (r *Recorder) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if run, ok := ctx.Value(runKey{}).(*run); ok {
		r.note(ctx, run.sql, run.args, run.start, data.CommandTag, data.Err)
	}
}

// TraceBatchStart implements [pgx.BatchTracer].
func (r *Recorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return &run{Context: ctx, start: time.Now()}
}

// TraceBatchQuery implements [pgx.BatchTracer]. A statement's time is from the end of the
// one before it, so that those of a batch add up to its own.
func (r *Recorder) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	if run, ok := ctx.Value(runKey{}).(*run); ok {
		start := run.start
		run.start = time.Now()
		if s := r.get(data.SQL); s != nil {
			// What goes to Postgres together waits for one answer, so it is not repeated.
			s.count(ctx, r.options, data.Args, start, data.CommandTag, data.Err)
		}
	}
}

// TraceBatchEnd implements [pgx.BatchTracer].
func (r *Recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TracePrepareStart implements [pgx.PrepareTracer]. A statement that the program prepares itself is
// run by its name. pgx has names of its own too, and runs what they stand for by its text.
func (r *Recorder) TracePrepareStart(ctx context.Context, _ *pgx.Conn, data pgx.TracePrepareStartData) context.Context {
	if data.Name == "" || data.Name == data.SQL || strings.HasPrefix(data.Name, "stmtcache_") {
		return ctx
	}
	if s := r.get(data.SQL); s != nil && s != r.prepared.find(data.Name) {
		r.prepared.set(data.Name, s) // It may have stood for another text until now.
	}
	return ctx
}

// TracePrepareEnd implements [pgx.PrepareTracer].
func (r *Recorder) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {}

// Observe records a statement that has just ended and that is not traced. One that the
// recorder traces itself, which it sees by the context, counts once. Nothing of args is
// kept.
func (r *Recorder) Observe(
	ctx context.Context,
	sql string,
	args []any,
	start time.Time,
	tag pgconn.CommandTag,
	err error,
) {
	if run, ok := ctx.Value(runKey{}).(*run); ok && run.sql == sql {
		return
	}
	r.note(ctx, sql, args, start, tag, err)
}

func (r *Recorder) note(
	ctx context.Context,
	sql string,
	args []any,
	start time.Time,
	tag pgconn.CommandTag,
	err error,
) {
	sql, args = sent(ctx, sql, args)
	s := r.get(sql)
	if s == nil {
		return
	}
	s.count(ctx, r.options, args, start, tag, err)
	if q, ok := ctx.Value(requestKey{}).(*request); ok {
		q.note(ctx, s, args, r.options)
	}
}

// count counts a run.
func (s *seen) count(
	ctx context.Context,
	o RecorderOptions,
	args []any,
	start time.Time,
	tag pgconn.CommandTag,
	err error,
) {
	weight := int64(1)
	if s.often.Load() && err == nil {
		if rand.Uint32()%oneOf > 0 {
			return
		}
		weight = oneOf
	}
	took := time.Since(start)
	s.counts.nanos.Add(int64(took) * weight)
	runs := s.counts.buckets[bucket(took)].Add(weight)
	if err != nil {
		s.counts.errors.Add(1)
	} else {
		s.counts.rows.Add(tag.RowsAffected() * weight)
	}
	// The 1st, 2nd, 4th, 8th: soon many, rarely later, and of what is slow too.
	if bits.Len64(uint64(runs)) > bits.Len64(uint64(runs-weight)) {
		s.sample(ctx, args, o)
	}
	if runs >= exactly && !s.often.Load() {
		s.often.Store(true)
	}
}

// get returns nil for a text that is one too many, and for what controls transactions.
func (r *Recorder) get(sql string) *seen {
	if s := r.statements.find(sql); s != nil {
		return s
	}
	if s := r.prepared.find(sql); s != nil || verb(sql) == "" {
		return s // A name may begin with a word of SQL.
	}
	return r.statements.add(sql, func(sql string) *seen {
		return &seen{sql: sql, callers: map[string]int64{}}
	})
}

// bounded finds values by texts, of which it takes maxStatements.
type bounded[V any] struct {
	values       sync.Map // of *V
	known, bytes atomic.Int64
}

// find returns nil for a text that is not known.
func (b *bounded[V]) find(text string) *V {
	if v, ok := b.values.Load(text); ok {
		return v.(*V)
	}
	return nil
}

// add returns nil for a text that is one too many, or too long. create is called with a copy of the
// text, which it may keep.
func (b *bounded[V]) add(text string, create func(text string) *V) *V {
	size := int64(len(text))
	if b.known.Load() >= maxStatements || size > maxText || b.bytes.Load()+size > maxTexts {
		return nil
	}
	text = strings.Clone(text)
	v, loaded := b.values.LoadOrStore(text, create(text))
	if !loaded {
		b.known.Add(1)
		b.bytes.Add(size)
	}
	return v.(*V)
}

// set is add for a value that takes the place of the one that the text may have.
func (b *bounded[V]) set(text string, v *V) {
	if b.find(text) == nil {
		b.add(text, func(string) *V { return v })
	} else {
		b.values.Store(strings.Clone(text), v)
	}
}

// bucket is that of durations below 2 to the power of it, in nanoseconds.
func bucket(d time.Duration) int {
	return min(bits.Len64(uint64(max(d, 0))), histogramBuckets-1)
}

// sample keeps the caller and the parameters of a run. The latest are kept: old ones may
// be of rows that are gone.
func (s *seen) sample(ctx context.Context, args []any, o RecorderOptions) {
	caller := o.caller(ctx)
	var values []*string
	ok := false
	if !o.NoSamples {
		values, ok = texts(args)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.callers[caller]; caller != "" && (known || len(s.callers) < maxCallers) {
		s.callers[caller]++
	}
	if ok {
		if len(s.samples) == maxSamples {
			s.samples = append(s.samples[:0], s.samples[1:]...)
		}
		s.samples = append(s.samples, values)
	}
}

// caller returns the name of the caller, "" if there is none.
func (o RecorderOptions) caller(ctx context.Context) (name string) {
	if o.Caller == nil {
		return ""
	}
	defer func() { _ = recover() }()
	return withoutNumbers(o.Caller(ctx))
}

// withoutNumbers makes one path of those that differ in their list elements only.
func withoutNumbers(path string) string {
	var b strings.Builder
	number := false
	for _, c := range path {
		if '0' <= c && c <= '9' &&
			(number || strings.HasSuffix(b.String(), "[") || strings.HasSuffix(b.String(), ".")) {
			if !number {
				b.WriteByte('*')
			}
			number = true
			continue
		}
		number = false
		b.WriteRune(c)
	}
	return b.String()
}
