package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gqlboost/gqlboost/arena"
	"github.com/gqlboost/gqlboost/internal/race"
)

var _ Buffers = (*arena.Buffers)(nil)

// written returns what write makes.
func written(t testing.TB, o Options, write func(w *Writer)) string {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, o)
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// standard is what encoding/json writes.
func standard(t testing.TB, v any, html bool) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestDocument(t *testing.T) {
	id := NewName("id")
	got := written(t, Options{Buffers: new(arena.Buffers)}, func(w *Writer) {
		w.BeginObject()
		w.Name("data")
		w.BeginArray()
		w.BeginObject()
		w.Member(id)
		w.IntString(1)
		w.Name("na\"me")
		w.StringBytes([]byte("x"))
		w.EndObject()
		w.BeginObject()
		w.EndObject()
		w.BeginArray()
		w.EndArray()
		w.Null()
		w.Bool(true)
		w.Bool(false)
		w.Uint(math.MaxUint64)
		w.Int(math.MinInt64)
		w.Float32(0.1)
		w.Raw([]byte(`{"raw":[]}`))
		w.UUID([16]byte{0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00})
		w.EndArray()
		w.Member(NewName("ü<"))
		w.Time(time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC))
		w.EndObject()
	})
	want := `{"data":[{"id":"1","na\"me":"x"},{},[],null,true,false,18446744073709551615,-9223372036854775808,0.1,{"raw":[]},"123e4567-e89b-12d3-a456-426614174000"],"ü<":"2024-02-29T01:02:03.000004Z"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStringsAreThoseOfEncodingJSON(t *testing.T) {
	pieces := []string{"", "a", "plain text", `"`, `\`, "\x00", "\x1f", "\n\t\r\b\f", "\x7f", "é", "日本", "😀", "\u2028", "\u2029", "\xff", "\xc3", "\xe2\x80", "\xed\xa0\x80", "\ufffd", "<&>", strings.Repeat("x", 40)}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		s := ""
		for range random.IntN(8) {
			s += pieces[random.IntN(len(pieces))]
		}
		html := i%2 == 0
		// A chunk of 16 bytes cuts nearly all of them.
		got := written(t, Options{EscapeHTML: html, MinChunk: 16, MaxChunk: 16}, func(w *Writer) { w.String(s) })
		if want := standard(t, s, html); got != want {
			t.Fatalf("%q: got %s, want %s", s, got, want)
		}
	}
	for position := range 70 {
		for c := range 256 {
			s := strings.Repeat("x", position) + string([]byte{byte(c)}) + strings.Repeat("y", 70-position)
			if got, want := written(t, Options{}, func(w *Writer) { w.String(s) }), standard(t, s, false); got != want {
				t.Fatalf("%q: got %s, want %s", s, got, want)
			}
		}
	}
}

// Wherever a chunk ends, nothing in it is cut: not a character, an escape, a number or
// a surrogate, and bytes that are not UTF-8 stay as many replacements.
func TestChunksOfAnySize(t *testing.T) {
	pieces := []string{"a", "\"", "\\", "\n", "\x01", "é", "日", "😀", "\U0010ffff", "\u2028", "<", "\xff", "\xc3", "\xe2\x80", "\xf0\x9f\x98", "\xed\xa0\x80", "\xed\xa0\xbd\xed\xb8\x80", "\x80", "\xf8\x88", "\ufffd"}
	random := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		text, valid := "", ""
		for range random.IntN(12) {
			piece := pieces[random.IntN(len(pieces))]
			text += piece
			if utf8.ValidString(piece) {
				valid += piece
			}
		}
		document := map[string]any{text: []any{text, valid, -1234.5e-30, int64(math.MinInt64), true, nil, map[string]any{valid: valid}}, "raw": json.RawMessage(`{"é":"😀"}`)}
		for size := 1; size <= 12; size++ {
			html := random.IntN(2) == 0
			got := written(t, Options{MinChunk: size, MaxChunk: size, EscapeHTML: html}, func(w *Writer) { _ = w.Any(document) })
			if want := standard(t, document, html); got != want {
				t.Fatalf("chunks of %d: got %s, want %s", size, got, want)
			}
			written(t, Options{MinChunk: size, MaxChunk: size, RejectInvalidUTF8: true}, func(w *Writer) { w.String(valid) })
			w := NewWriter(io.Discard, Options{MinChunk: size, MaxChunk: size, RejectInvalidUTF8: true})
			if w.String(text); errors.Is(w.Close(), ErrUTF8) == utf8.ValidString(text) {
				t.Fatalf("chunks of %d: %q is taken for valid or invalid UTF-8: %v", size, text, w.Err())
			}
		}
	}
}

func TestNewNames(t *testing.T) {
	names := []string{"id", "", "a \"quoted\" one", "ü<", strings.Repeat("long", 20)}
	for i, name := range NewNames(names) {
		if one := NewName(names[i]); *one.prepared != *name.prepared {
			t.Errorf("%q: got %+v, want %+v", names[i], *name.prepared, *one.prepared)
		}
	}
	if got := NewNames(nil); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestNumbersAreThoseOfEncodingJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	floats := []float64{0, math.Copysign(0, -1), 1, -1, 1e-6, 9.99e-7, 1e20, 1e21, 1e-9, 1 << 53, 1<<53 + 2, math.MaxFloat64, math.SmallestNonzeroFloat64, 123456789, 0.1, 1e22, 123e-20}
	for range 20_000 {
		f := math.Float64frombits(random.Uint64())
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			floats = append(floats, f, math.Trunc(math.Mod(f, 1e7)), math.Round(f*100)/100)
		}
	}
	for _, f := range floats {
		if math.IsInf(f, 0) {
			continue
		}
		if got, want := string(appendFloat(nil, f, 64)), standard(t, f, false); got != want {
			t.Fatalf("%b: got %s, want %s", f, got, want)
		}
		f32 := float32(f)
		if math.IsInf(float64(f32), 0) {
			continue
		}
		if got, want := string(appendFloat(nil, float64(f32), 32)), standard(t, f32, false); got != want {
			t.Fatalf("float32 %b: got %s, want %s", f32, got, want)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		w := NewWriter(io.Discard, Options{})
		w.Float(bad)
		if err := w.Close(); err == nil || !strings.Contains(err.Error(), "unsupported value") {
			t.Errorf("%v: got %v", bad, err)
		}
	}
}

func TestAnyIsThatOfEncodingJSON(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for _, v := range []any{
		nil, "x", true, 1, int8(1), int32(-5), int64(7), uint64(8), uint8(9), 1.5, float32(0.1), time.Date(2020, 1, 2, 3, 4, 5, 6, zone),
		[]any{1, "a", nil}, []any{}, []any(nil), map[string]any{"b": 1, "a": []any{map[string]any{}}, "<": "&"}, map[string]any(nil),
		[]string{"a"}, map[string]int{"x": 1}, struct {
			A int    `json:"a"`
			B string `json:",omitempty"`
		}{A: 1}, json.RawMessage(`{"a" : 1}`), json.Number("12"), []byte("bytes"), map[int]string{1: "x"}, errors.New("x"),
	} {
		for _, html := range []bool{false, true} {
			got := written(t, Options{EscapeHTML: html}, func(w *Writer) {
				if err := w.Any(v); err != nil {
					t.Error(err)
				}
			})
			if want := standard(t, v, html); got != want {
				t.Errorf("%#v: got %s, want %s", v, got, want)
			}
		}
	}
	w := NewWriter(io.Discard, Options{})
	if err := w.Any([]any{1, make(chan int)}); err == nil {
		t.Error("a channel was written")
	}
	_ = w.Close()
	cycle := map[string]any{}
	cycle["again"] = cycle
	w = NewWriter(io.Discard, Options{})
	if err := w.Any(cycle); err == nil || !strings.Contains(err.Error(), "nesting deeper") {
		t.Errorf("a cycle: %v", err)
	}
	_ = w.Close()
}

func TestTimesAreThoseOfEncodingJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		offset := random.IntN(48*3600-1) - 24*3600 + 1
		if random.IntN(3) == 0 {
			offset = 0
		}
		at := time.Unix(random.Int64N(250e9)-60e9, [...]int64{0, 5e8, 1, 123456789, 1000}[random.IntN(5)]).In(time.FixedZone("", offset))
		want, err := at.MarshalJSON()
		if err != nil {
			continue
		}
		if got := written(t, Options{}, func(w *Writer) { w.Time(at) }); got != string(want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

func pieceAfterEnd(w *Writer) {
	p := w.Pieces()
	_, _ = p.Write([]byte("1"))
	_ = p.Close()
	_, _ = p.Write([]byte("2"))
}

func TestMisuse(t *testing.T) {
	for name, c := range map[string]struct {
		write func(w *Writer)
		want  string
	}{
		"nothing":               {func(w *Writer) {}, "the end of the document where a value is expected"},
		"two values":            {func(w *Writer) { w.Int(1); w.Int(2) }, "an integer where nothing, the document is complete is expected"},
		"value without name":    {func(w *Writer) { w.BeginObject(); w.String("x") }, "a string where a name or the end of the object is expected"},
		"name without value":    {func(w *Writer) { w.BeginObject(); w.Name("x"); w.EndObject() }, "the end of an object where the value of a member is expected"},
		"two names":             {func(w *Writer) { w.BeginObject(); w.Name("x"); w.Name("y") }, "a name where the value of a member is expected"},
		"name in array":         {func(w *Writer) { w.BeginArray(); w.Member(NewName("x")) }, "a name where a value or the end of the array is expected"},
		"wrong end":             {func(w *Writer) { w.BeginArray(); w.EndObject() }, "the end of an object where a value or the end of the array is expected"},
		"end of nothing":        {func(w *Writer) { w.EndArray() }, "the end of an array where a value is expected"},
		"not closed":            {func(w *Writer) { w.BeginArray(); w.BeginObject() }, "the end of the document where a name or the end of the object is expected"},
		"nullable of nothing":   {func(w *Writer) { w.Nullable(nil, func(*Writer) error { return nil }) }, "the end of a nullable value where a value is expected"},
		"unbalanced nullable":   {func(w *Writer) { w.Nullable(nil, func(w *Writer) error { w.BeginArray(); return nil }) }, "the end of a nullable value where a value or the end of the array is expected"},
		"piece after the end":   {pieceAfterEnd, "a piece of a value where nothing, the document is complete is expected"},
		"after an error, still": {func(w *Writer) { w.EndArray(); w.Int(1); w.BeginObject(); w.Flush() }, "the end of an array where a value is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			w := NewWriter(&b, Options{})
			c.write(w)
			err := w.Close()
			if !errors.Is(err, ErrMisuse) || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got %v, want ... %s", err, c.want)
			}
			if name != "nothing" && name != "not closed" && !strings.Contains(err.Error(), "writer_test.go:") {
				t.Errorf("the error does not tell the place: %v", err)
			}
			if b.Len() > 0 && json.Valid(b.Bytes()) {
				t.Errorf("a document was written: %s", b.String())
			}
			if err2 := w.Close(); !errors.Is(err2, err) {
				t.Errorf("the second Close: %v", err2)
			}
		})
	}
}

func TestLimitsAndInvalidUTF8(t *testing.T) {
	w := NewWriter(io.Discard, Options{MaxDepth: 3})
	for range 4 {
		w.BeginArray()
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "deeper than 3") {
		t.Error(err)
	}
	w = NewWriter(io.Discard, Options{RejectInvalidUTF8: true})
	w.String("a\xff")
	if err := w.Close(); !errors.Is(err, ErrUTF8) {
		t.Error(err)
	}
	for _, at := range []time.Time{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2000, 1, 1, 0, 0, 0, 0, time.FixedZone("", 24*3600))} {
		w = NewWriter(io.Discard, Options{})
		w.Time(at)
		if w.Close() == nil {
			t.Errorf("%v was written", at)
		}
	}
}

// sizes keeps the lengths of writes.
type sizes struct {
	bytes.Buffer
	each []int
	fail error
	slow time.Duration
}

func (s *sizes) Write(b []byte) (int, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	time.Sleep(s.slow)
	s.each = append(s.each, len(b))
	return s.Buffer.Write(b)
}

func TestChunks(t *testing.T) {
	to := new(sizes)
	w := NewWriter(to, Options{MinChunk: 1 << 10, MaxChunk: 16 << 10})
	w.BeginArray()
	for i := range 100_000 {
		w.Int(int64(i))
	}
	w.EndArray()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(to.Bytes()) {
		t.Error("the chunks are not the document")
	}
	if first := to.each[0]; first > 1<<10+20 {
		t.Errorf("the first chunk has %d bytes", first)
	}
	for i, n := range to.each {
		if n > 16<<10+20 {
			t.Errorf("chunk %d has %d bytes", i, n)
		}
	}
	if n := len(to.each); n > 100 {
		t.Errorf("%d chunks: they do not grow", n)
	}
	stats := w.Stats()
	if stats.Bytes != int64(to.Len()) || stats.Chunks != len(to.each) {
		t.Errorf("got %+v, want %d bytes, %d chunks", stats, to.Len(), len(to.each))
	}
}

func TestChunksShrinkForSlowClients(t *testing.T) {
	to := &sizes{slow: slowly + 10*time.Millisecond}
	w := NewWriter(to, Options{MinChunk: 1 << 10, MaxChunk: 16 << 10})
	w.limit = 16 << 10
	w.BeginArray()
	for range 6 {
		w.String(strings.Repeat("x", 16<<10))
	}
	if got := w.Stats().Chunk; got != 1<<10 {
		t.Errorf("the chunk has %d bytes", got)
	}
	w.EndArray()
	if err := w.Close(); err != nil || !json.Valid(to.Bytes()) {
		t.Error(err)
	}
}

// A value that is larger than a chunk does not make the chunk larger.
func TestLargeValues(t *testing.T) {
	to := new(sizes)
	w := NewWriter(to, Options{MinChunk: 1 << 10, MaxChunk: 4 << 10})
	text := strings.Repeat("é\n", 1<<20)
	raw := []byte(`"` + strings.Repeat("r", 1<<20) + `"`)
	w.BeginArray()
	w.String(text)
	w.Raw(raw)
	w.EndArray()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if want := standard(t, []any{text, json.RawMessage(raw)}, false); to.String() != want {
		t.Error("the document is not as it should be")
	}
	for _, n := range to.each {
		if n > 32<<10 {
			t.Errorf("a chunk has %d bytes", n)
		}
	}
}

func TestDestinationFails(t *testing.T) {
	broken := errors.New("broken")
	w := NewWriter(&sizes{fail: broken}, Options{MinChunk: 10})
	w.BeginArray()
	for range 100 {
		w.String("some text")
	}
	if !errors.Is(w.Err(), broken) {
		t.Error(w.Err())
	}
	w.EndArray()
	if err := w.Close(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestNullable(t *testing.T) {
	got := written(t, Options{}, func(w *Writer) {
		w.BeginObject()
		w.Name("data")
		w.BeginObject()
		w.Name("good")
		w.Nullable(Path{"good"}, func(w *Writer) error { w.BeginArray(); w.Int(1); w.EndArray(); return nil })
		w.Name("bad")
		w.Nullable(Path{"bad"}, func(w *Writer) error {
			w.BeginArray()
			w.BeginObject()
			w.Name("half")
			return &Error{Message: "no such row", Path: Path{"bad", 0, "half"}, Extensions: map[string]any{"code": "GONE"}}
		})
		w.Name("list")
		w.BeginArray()
		w.Int(1)
		w.Nullable(Path{"list", 1}, func(w *Writer) error { w.String("secret"); return errors.New("password: 123") })
		w.Nullable(nil, func(w *Writer) error {
			w.BeginArray()
			w.Nullable(Path{"inner"}, func(*Writer) error { return errors.New("inner") })
			w.EndArray()
			return nil
		})
		w.EndArray()
		w.EndObject()
		w.Errors()
		w.EndObject()
	})
	want := `{"data":{"good":[1],"bad":null,"list":[1,null,[null]]},"errors":[{"message":"no such row","path":["bad",0,"half"],"extensions":{"code":"GONE"}},{"message":"Internal server error","path":["list",1]},{"message":"Internal server error","path":["inner"]}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What was sent cannot be taken back, and the document does not pretend so.
func TestNullableThatWasSent(t *testing.T) {
	for _, fails := range []bool{false, true} {
		var b bytes.Buffer
		w := NewWriter(&b, Options{MinChunk: 64, MaxHeld: 1 << 10})
		cause := errors.New("late")
		w.Nullable(nil, func(w *Writer) error {
			w.BeginArray()
			for range 1000 {
				w.Int(7)
			}
			w.EndArray()
			if fails {
				return cause
			}
			return nil
		})
		err := w.Close()
		if fails != errors.Is(err, cause) || fails == json.Valid(b.Bytes()) {
			t.Errorf("fails %v: error %v, %d bytes", fails, err, b.Len())
		}
	}
}

func TestWriterAllocatesNothing(t *testing.T) {
	if race.Enabled || debugging {
		t.Skip("not with the race detector, nor where Raw is checked")
	}
	w := NewWriter(io.Discard, Options{})
	name, at, raw := NewName("name"), time.Now(), []byte("[]")
	w.BeginArray()
	if n := testing.AllocsPerRun(1000, func() {
		w.BeginObject()
		w.Member(name)
		w.String("some text \n")
		w.Name("f")
		w.Float(1.25)
		w.Name("t")
		w.Time(at)
		w.Name("r")
		w.Raw(raw)
		w.EndObject()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzWriter writes a decoded document again.
func FuzzWriter(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x\n",null,true]}`, `"\ud800"`, `[[[]]]`, `-0`, `1e-7`, `{"":{"":{}}}`, `"\u2028é😀"`} {
		f.Add(s, uint16(5))
	}
	f.Fuzz(func(t *testing.T, text string, chunk uint16) {
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			v = text
		}
		var b bytes.Buffer
		w := NewWriter(&b, Options{MinChunk: int(chunk), MaxChunk: int(chunk), MaxDepth: 1 << 20})
		_ = w.Any(v)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want := standard(t, v, false); b.String() != want {
			t.Errorf("got %s, want %s", b.String(), want)
		}
	})
}

func ExampleWriter() {
	var b strings.Builder
	w := NewWriter(&b, Options{})
	w.BeginObject()
	w.Name("user")
	w.String("Ada")
	w.Name("age")
	w.Int(36)
	w.EndObject()
	fmt.Println(w.Close(), b.String())
	// Output: <nil> {"user":"Ada","age":36}
}
