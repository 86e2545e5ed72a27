package advisor

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// observe is a statement that took a millisecond and returned two rows.
func observe(ctx context.Context, r *Recorder, sql string, args ...any) {
	r.Observe(ctx, sql, args, time.Now().Add(-time.Millisecond), pgconn.NewCommandTag("SELECT 2"), nil)
}

func TestRecord(t *testing.T) {
	type field struct{}
	r := NewRecorder(RecorderOptions{Caller: func(ctx context.Context) string {
		name, _ := ctx.Value(field{}).(string)
		return name
	}})
	ctx := context.WithValue(t.Context(), field{}, "posts[3].author")
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() { observe(ctx, r, "select name from users where id = $1", i) })
	}
	wg.Wait()
	r.Observe(ctx, "select 1/0", nil, time.Now(), pgconn.CommandTag{}, errors.New("division by zero"))
	observe(ctx, r, "begin")
	observe(ctx, r, "set local x = 1")
	record := r.Record()
	if len(record.Statements) != 2 {
		t.Fatalf("%+v", record.Statements)
	}
	s := record.Statements[0]
	if s.Calls != 100 || s.Errors != 0 || s.Rows != 200 || s.Total < 100*time.Millisecond || s.P50 < time.Millisecond ||
		s.P50 > s.P95 ||
		s.P95 > s.P99 {
		t.Errorf("%+v", s)
	}
	if len(s.Samples) < 7 || len(s.Samples[0]) != 1 || len(s.Callers) != 1 || s.Callers["posts[*].author"] < 7 ||
		s.Callers["posts[*].author"] > 50 {
		t.Errorf("%d samples, callers %v", len(s.Samples), s.Callers)
	}
	if f := record.Statements[1]; f.Errors != 1 || f.Rows != 0 {
		t.Errorf("%+v", f)
	}
	runs := int64(0)
	for _, b := range s.Histogram {
		if runs += b.Count; b.AtMost < time.Millisecond || b.Count <= 0 {
			t.Errorf("%+v", b)
		}
	}
	if runs != 100 {
		t.Errorf("%d runs in the histogram", runs)
	}
	var b bytes.Buffer
	if err := record.Write(&b); err != nil {
		t.Fatal(err)
	}
	again, err := ReadRecord(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Statements, record.Statements) {
		t.Errorf("%+v\n%+v", again.Statements, record.Statements)
	}
	if _, err := ReadRecord(strings.NewReader("{")); err == nil {
		t.Error("a torn record is taken")
	}
}

// Parameters are kept as Postgres reads them, bounded, or not at all.
func TestSamples(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	type id int
	type name string
	var none *int
	for _, each := range []struct {
		arg  any
		want string
	}{
		{1, "1"}, {int64(-5), "-5"}, {uint8(7), "7"}, {1.5, "1.5"}, {"it's", "it's"}, {true, "t"}, {[]byte("a"), `\x61`}, {id(3), "3"}, {name("x"), "x"},
		{at, "2026-01-02 03:04:05Z"}, {[]int{1, 2}, "{1,2}"}, {[]string{"a", "b c"}, `{a,"b c"}`}, {map[string]any{"a": 1}, `{"a":1}`}, {new(5), "5"},
	} {
		got, ok := texts([]any{each.arg})
		if !ok || *got[0] != each.want {
			t.Errorf("%v: %q %v", each.arg, *got[0], ok)
		}
	}
	if got, ok := texts([]any{nil, none}); !ok || got[0] != nil || got[1] != nil {
		t.Errorf("nulls: %v", got)
	}
	if _, ok := texts([]any{strings.Repeat("x", maxSampleBytes+1)}); ok {
		t.Error("a large parameter is kept")
	}
	if _, ok := texts([]any{make(chan int)}); ok {
		t.Error("a channel is kept")
	}
	r := NewRecorder(RecorderOptions{NoSamples: true})
	observe(t.Context(), r, "select $1", "secret")
	if s := r.Record().Statements[0].Samples; s != nil {
		t.Errorf("%v", s)
	}
}

// What pgx takes before the parameters is none of them, and named ones have numbers when
// they are sent.
func TestOptions(t *testing.T) {
	for _, each := range []struct {
		args   []any
		sql    string
		sample string
	}{
		{[]any{7, "x"}, "select $1::int, $2", "7 x"},
		{[]any{pgx.QueryExecModeExec, 7, "x"}, "select $1::int, $2", "7 x"},
		{[]any{pgx.QueryResultFormats{1}, pgx.QueryExecModeSimpleProtocol, 7, "x"}, "select $1::int, $2", "7 x"},
		{[]any{pgx.NamedArgs{"a": 7, "b": "x"}}, "select @a::int, @b", "7 x"},
		{[]any{pgx.QueryExecModeExec, pgx.StrictNamedArgs{"b": "x", "a": 7}}, "select @a::int, @b", "7 x"},
	} {
		r := NewRecorder(RecorderOptions{})
		ctx := r.TraceQueryStart(t.Context(), nil, pgx.TraceQueryStartData{SQL: each.sql, Args: each.args})
		r.TraceQueryEnd(ctx, nil, pgx.TraceQueryEndData{})
		s := r.Record().Statements[0]
		var sample []string
		for _, v := range s.Samples[0] {
			sample = append(sample, *v)
		}
		if s.SQL != "select $1::int, $2" || strings.Join(sample, " ") != each.sample {
			t.Errorf("%v: %s %q", each.args, s.SQL, sample)
		}
	}
}

func TestRepeats(t *testing.T) {
	r := NewRecorder(RecorderOptions{Caller: func(context.Context) string { return "feed.author" }})
	for request := range 3 {
		ctx, end := r.Request(t.Context(), "Feed")
		var wg sync.WaitGroup
		for i := range 10 + request {
			wg.Go(func() { observe(ctx, r, "select name from users where id = $1", i) })
			observe(ctx, r, "select count(*) from users where active = $1", true)
		}
		wg.Wait()
		for range 4 {
			observe(ctx, r, "select 1")
		}
		end()
		end()
		observe(ctx, r, "select 1") // too late
	}
	repeats := r.Record().Repeats
	if len(repeats) != 2 {
		t.Fatalf("%+v", repeats)
	}
	byText := map[string]Repeat{}
	for _, each := range repeats {
		byText[each.SQL] = each
	}
	want := Repeat{"Feed", "select name from users where id = $1", "feed.author", 3, 3, 33, 12, 0}
	if got := byText[want.SQL]; got != want {
		t.Errorf("%+v", got)
	}
	if got := byText["select count(*) from users where active = $1"]; got.Same != 30 {
		t.Errorf("%+v", got)
	}
	observe(t.Context(), r, "select name from users where id = $1", 1) // Outside of requests nothing repeats.
	if len(r.Record().Repeats) != 2 {
		t.Error("more repeats")
	}
}

// masked is a value that does not print what it is, as secrets do.
type masked int

func (masked) String() string { return "***" }

// badValue is a value whose methods panic.
type badValue struct{ n int }

func (badValue) String() string               { panic("on purpose") }
func (badValue) Value() (driver.Value, error) { panic("on purpose") }

// Parameters are the same if their values are, whatever their methods do. NULLs are: a nil
// pointer has methods that panic.
func TestSameParameters(t *testing.T) {
	now := time.Now()
	later := now.Add(time.Hour)
	for name, test := range map[string]struct {
		args []any
		same int64
	}{
		"nil pointers":    {[]any{(*time.Time)(nil), (*time.Time)(nil), (*int)(nil), nil}, 3},
		"pointers":        {[]any{&now, new(now), &later, (*time.Time)(nil)}, 1},
		"arrays":          {[]any{[16]byte{1}, [16]byte{1}, [16]byte{2}, [16]byte{1}}, 2},
		"slices":          {[]any{[]byte{1}, []byte{1}, []byte{1}, []byte{1}}, 0},
		"masked values":   {[]any{masked(1), masked(2), masked(1), masked(3)}, 1},
		"bad methods":     {[]any{badValue{1}, badValue{2}, badValue{1}, &badValue{1}}, 2},
		"bad nil methods": {[]any{(*badValue)(nil), (*badValue)(nil), badValue{1}, badValue{1}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRecorder(RecorderOptions{Repeats: 2, Caller: func(context.Context) string { panic("on purpose") }})
			ctx, end := r.Request(t.Context(), "Publish")
			for _, arg := range test.args {
				observe(ctx, r, "update post set published_at = $1", arg)
			}
			end()
			record := r.Record()
			if got := record.Repeats[0]; got.Same != test.same || got.Runs != 4 || record.Statements[0].Calls != 4 {
				t.Errorf("%+v, and %d calls", got, record.Statements[0].Calls)
			}
		})
	}
}

// Some of many requests are looked at, and count for all.
func TestManyRequests(t *testing.T) {
	r := NewRecorder(RecorderOptions{})
	const requests = 50_000
	for range requests {
		ctx, end := r.Request(t.Context(), "Feed")
		for i := range 6 {
			observe(ctx, r, "select $1", i)
		}
		end()
	}
	rare, end := r.Request(t.Context(), "Rare")
	for i := range 6 {
		observe(rare, r, "select $1", i)
	}
	end()
	repeats := r.Record().Repeats
	if len(repeats) != 2 || repeats[1].Request != "Rare" {
		t.Fatalf("%+v", repeats)
	}
	if f := repeats[0]; f.Requests < requests*8/10 || f.Requests > requests*12/10 || f.Of != f.Requests ||
		f.Runs != 6*f.Requests ||
		f.Most != 6 {
		t.Errorf("%+v", f)
	}
}

// Statements that the program prepares and runs by name are recorded with their texts, those that
// pgx prepares once.
func TestPrepared(t *testing.T) {
	r := NewRecorder(RecorderOptions{})
	config, err := pgx.ParseConfig(os.Getenv("GQLBOOST_EXAMPLE_DSN"))
	if err != nil {
		t.Fatal(err)
	}
	config.Tracer = r
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	prepare := func(name, sql string) {
		t.Helper()
		if _, err := conn.Prepare(t.Context(), name, sql); err != nil {
			t.Fatal(err)
		}
	}
	prepare("user_by_id", "select $1::int - 1")
	if err := conn.Deallocate(t.Context(), "user_by_id"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"user_by_id", "select-user", "delete", "select $1::int"} {
		prepare(name, "select $1::int")
	}
	for _, sql := range []string{
		"user_by_id", "select-user", "delete", "select $1::int",
		"select $1::int + 1", "select $1::int + 1", "select $1::int + 1", "select $1::int + 1",
	} {
		if _, err := conn.Exec(t.Context(), sql, 1); err != nil {
			t.Fatal(err)
		}
	}
	record := r.Record()
	if len(record.Statements) != 2 || record.Statements[0].Calls != 4 || record.Statements[1].Calls != 4 {
		t.Errorf("%+v", record.Statements)
	}
}

// Texts that are made up do not fill the memory.
func TestManyTexts(t *testing.T) {
	r := NewRecorder(RecorderOptions{})
	for i := range maxStatements + 100 {
		observe(t.Context(), r, "select "+strings.Repeat("1", 1+i%7)+strings.Repeat(" ", i))
	}
	if n := len(r.Record().Statements); n != maxStatements {
		t.Errorf("%d statements", n)
	}
	// Nor do long ones, as bulk inserts with any number of rows are.
	r = NewRecorder(RecorderOptions{})
	long := "select " + strings.Repeat("1", maxText)
	for i := range maxTexts/maxText + 100 {
		observe(t.Context(), r, long[:maxText-i])
	}
	observe(t.Context(), r, long)
	bytes := 0
	for _, s := range r.Record().Statements {
		bytes += len(s.SQL)
	}
	if bytes > maxTexts || bytes < maxTexts-maxText {
		t.Errorf("%d bytes", bytes)
	}
}

// What runs often is counted by samples, and its errors each.
func TestOften(t *testing.T) {
	r := NewRecorder(RecorderOptions{})
	for i := range 100_000 {
		var err error
		if i%100 == 99 {
			err = errors.New("on purpose")
		}
		r.Observe(
			t.Context(),
			"select 1",
			nil,
			time.Now().Add(-time.Millisecond),
			pgconn.NewCommandTag("SELECT 3"),
			err,
		)
	}
	s := r.Record().Statements[0]
	if s.Calls < 80_000 || s.Calls > 120_000 || s.Errors != 1000 || s.Rows < 240_000 || s.Rows > 360_000 ||
		s.Total < 80*time.Second ||
		len(s.Samples) != maxSamples {
		t.Errorf("%+v", s)
	}
}

// What is traced costs little, and nothing of the arguments is kept alive by it.
func TestTraceAllocations(t *testing.T) {
	r := NewRecorder(RecorderOptions{})
	ctx, end := r.Request(t.Context(), "x")
	defer end()
	args := []any{1}
	allocs := testing.AllocsPerRun(10000, func() {
		started := r.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: "select 1", Args: args})
		r.TraceQueryEnd(started, nil, pgx.TraceQueryEndData{})
	})
	if allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkTrace(b *testing.B) {
	r := NewRecorder(RecorderOptions{})
	args := []any{1}
	b.ReportAllocs()
	for b.Loop() {
		started := r.TraceQueryStart(b.Context(), nil, pgx.TraceQueryStartData{SQL: "select 1", Args: args})
		r.TraceQueryEnd(started, nil, pgx.TraceQueryEndData{})
	}
}

func BenchmarkObserve(b *testing.B) {
	r := NewRecorder(RecorderOptions{})
	args := []any{1}
	ctx, end := r.Request(b.Context(), "x")
	defer end()
	for name, ctx := range map[string]context.Context{"impl=request": ctx, "impl=alone": b.Context()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			start := time.Now()
			for b.Loop() {
				r.Observe(ctx, "select 1", args, start, pgconn.CommandTag{}, nil)
			}
		})
	}
}
