package simdjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gqlboost/gqlboost/internal/race"
)

// grammar is RFC 8259, rule by rule: texts that a rule accepts, and texts that
// break it.
var grammar = []struct {
	rule     string
	accepted []string
	refused  []string
}{
	{"literals",
		[]string{"true", "false", "null"},
		[]string{"", "t", "tr", "tru", "True", "TRUE", "truee", "true true", "f", "fals", "falsy", "n", "nul", "nil", "NULL", "undefined", "NaN", "Infinity", "-Infinity", "+", "a"}},
	{"white space",
		[]string{" 1", "1 ", "\t\n\r 1\t\n\r ", "[ 1 , 2 ]", "{ \"a\" : 1 , \"b\" : 2 }", "                1", "                 \n1", "[\n        1\n]"},
		[]string{" ", "\n", "\v1", "\f1", "1\x00", "\x001", "\u00a01", "\u20281", "\ufeff1", "1\u0085", "//1\n1", "/**/1", "#1"}},
	{"integers",
		[]string{"0", "-0", "1", "-1", "9", "10", "1234567890", "123456789012345678901234567890", "9223372036854775807", "-9223372036854775808", "18446744073709551615"},
		[]string{"-", "00", "01", "-01", "+1", "--1", "1-", "1+1", "0x1", "1_000", "1,000", "١", "1a", "-a", "0a", "12345678a"}},
	{"fractions",
		[]string{"0.0", "-0.5", "1.5", "123.456", "0.00000000000000000000000001", "12345678.87654321"},
		[]string{".5", "-.5", "1.", "-1.", "1..5", "1.5.5", "1.a", "0.", "1. 5", "12345678."}},
	{"exponents",
		[]string{"1e1", "1E1", "1e+1", "1e-1", "0e0", "-0e-0", "1.5e10", "1e308", "1e400", "1e-400", "1e0000001"},
		[]string{"1e", "1E", "1e+", "1e-", "e1", "1ee1", "1e1.5", "1e+-1", "1.e1", ".e1", "1e 1", "1e1e1", "1f1"}},
	{"strings",
		[]string{`""`, `"a"`, `" "`, `"a b"`, `"abcdefgh"`, `"abcdefghi"`, `"\u0041"`, `"é"`, `"日本語"`, `"😀"`, "\"\x7f\"", `"` + strings.Repeat("x", 100) + `"`, `"/"`, `"'"`},
		[]string{`"`, `"a`, `"éabcdef`, `a"`, `'a'`, `"a" "b"`, `"a""b"`, `"abcdefgh`, `"a'`, `“a”`}},
	{"escapes",
		[]string{`"\""`, `"\\"`, `"\/"`, `"\b\f\n\r\t"`, `"\u0000"`, `"\uD83D\uDE00"`, `"\ud83d"`, `"\uDE00"`, `"\uD83Dx"`, `"\uD83D\n"`, `"\uD83D\uD83D\uDE00"`, `"\uFFFF"`, `"\uabcd\uABCD"`, `"\\\\\\\\"`, `"\\u12"`},
		[]string{`"\"`, `"\`, `"\\\"`, `"\a"`, `"\v"`, `"\0"`, `"\x41"`, `"\'"`, `"\U0041"`, `"\u"`, `"\u1"`, `"\u12"`, `"\u123"`, `"\u123g"`, `"\u 123"`, `"\u-123"`, `"\é"`, "\"\\\n\"", `"\u12`, `"\u00`}},
	{"control characters",
		nil,
		func() (list []string) {
			for c := range 0x20 {
				list = append(list, "\""+string(rune(c))+"\"", "\"abcdefgh"+string(rune(c))+"\"")
			}
			return list
		}()},
	{"UTF-8",
		[]string{"\"\u0080\"", "\"\u07ff\"", "\"\u0800\"", "\"\ud7ff\"", "\"\ue000\"", "\"\uffff\"", "\"\U00010000\"", "\"\U0010ffff\""},
		[]string{"\"\x80\"", "\"\xbf\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xc3\"", "\"\xc3(\"", "\"\xe0\x80\x80\"", "\"\xe0\x9f\xbf\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"",
			"\"\xf0\x80\x80\x80\"", "\"\xf0\x8f\xbf\xbf\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xff\"", "\"\xfe\"", "\"abcdefgh\xff\"", "{\"\xff\":1}", "\xff", "[\xc3\xa9]"}},
	{"arrays",
		[]string{"[]", "[ ]", "[1]", "[1,2]", "[[]]", "[[],[]]", "[[[[[]]]]]", "[null,true,false,1,\"a\",{},[]]", "[1\n,2]", "[\"a\" ,\"b\"]"},
		[]string{"[", "]", "[1", "[1,", "[1,]", "[,]", "[,1]", "[1,,2]", "[1 2]", "[1;2]", "[1}", "[1]]", "[[1]", "[\"a\",", "[\"a\":1]", "[}", "[1]2", "[1],", "(1)", "[1:2]"}},
	{"objects",
		[]string{"{}", "{ }", `{"a":1}`, `{"a":1,"b":2}`, `{"a":{}}`, `{"a":{"b":{"c":[]}}}`, `{"":0}`, `{"a":1,"a":2}`, `{"a" :1}`, `{"\u0061":1}`, `{"a":"b","c":null}`, "{\"a\"\n:\n1\n}"},
		[]string{"{", "}", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{,"a":1}`, `{"a":1,,"b":2}`, `{"a"}`, `{"a",1}`, `{"a" 1}`, `{"a"::1}`, `{"a":}`, `{a:1}`, `{1:1}`, `{null:1}`, `{'a':1}`,
			`{"a":1]`, `{"a":1}}`, `{"a":1}1`, `{"a":1 "b":2}`, `{"a":1;"b":2}`, `{"a=1}`, `{"a":1,"b"}`, `{[]:1}`, `{{}:1}`, `{]`, `{"a":1:2}`, `{"a":1,2}`}},
	{"one text",
		[]string{"{}\n", " [] "},
		[]string{"{}{}", "[][]", "1 2", "{},", ",", ":", "{}]", "null,null", "\"a\"1"}},
}

func TestGrammar(t *testing.T) {
	cases := 0
	for _, g := range grammar {
		for wanted, list := range map[bool][]string{true: g.accepted, false: g.refused} {
			for _, text := range list {
				// A text that a rule accepts is one inside others as well.
				for _, frame := range []string{"%s", "[%s]", `{"k":%s}`, " [1, %s , {}]\n"} {
					whole := strings.Replace(frame, "%s", text, 1)
					if frame != "%s" && !wanted && json.Valid([]byte(whole)) {
						continue // Such as "1,2", which an array makes good.
					}
					cases++
					if got := compare(t, []byte(whole)); got != wanted {
						t.Errorf("%s: %q: accepted %v, want %v", g.rule, whole, got, wanted)
					}
				}
			}
		}
	}
	if cases < 300 {
		t.Errorf("only %d cases", cases)
	}
}

// compare checks that a text is treated as encoding/json treats it, and returns
// whether it was accepted.
func compare(t *testing.T, data []byte) bool {
	t.Helper()
	want := json.Valid(data) && utf8.Valid(data)
	original := bytes.Clone(data)
	compareKernels(t, data, want)
	doc, err := Parse(data)
	if (err == nil) != want || Valid(data) != want {
		t.Errorf("%.200q: err %.200v, Valid %v; want accepted %v", data, err, Valid(data), want)
		return err == nil
	}
	if !bytes.Equal(data, original) {
		t.Errorf("%.200q was changed", original)
	}
	if err != nil {
		compareError(t, data, err)
		return false
	}
	defer doc.Close()
	var theirs any
	theirErr := json.Unmarshal(data, &theirs)
	ours, err := doc.Root().Any()
	if (err == nil) != (theirErr == nil) || err == nil && !reflect.DeepEqual(ours, theirs) {
		t.Errorf("%.200q: got %v, %v; want %v, %v", data, ours, err, theirs, theirErr)
	}
	compareValue(t, doc.Root(), data)
	return true
}

// compareKernels checks that every kernel of this machine decides alike, and
// writes the same tape.
func compareKernels(t *testing.T, data []byte, want bool) {
	t.Helper()
	var simple, indexed memory
	why, _ := simple.parsePortable(data, defaultMaxDepth)
	if (why == accepted) != want {
		t.Errorf("portable: %.200q: %v, want accepted %v", data, why, want)
	}
	for _, k := range kernels()[1:] {
		if ok := indexed.parseIndexed(k, data, nil, defaultMaxDepth); ok != want || ok && !slices.Equal(simple.tape, indexed.tape) {
			t.Errorf("%v: %.200q: accepted %v, want %v; same tape %v", k, data, ok, want, slices.Equal(simple.tape, indexed.tape))
		}
	}
}

func compareError(t *testing.T, data []byte, err error) {
	t.Helper()
	var ours *SyntaxError
	if !errors.As(err, &ours) {
		t.Errorf("%.200q: error %T", data, err)
		return
	}
	var raw json.RawMessage
	var theirs *json.SyntaxError
	if errors.As(json.Unmarshal(data, &raw), &theirs) && utf8.Valid(data) &&
		(ours.Offset != theirs.Offset || ours.Error() != theirs.Error()) {
		t.Errorf("%.200q: %q at %d, want %q at %d", data, ours, ours.Offset, theirs, theirs.Offset)
	}
	if ours.Line < 1 || ours.Column < 1 || ours.Line > bytes.Count(data, []byte("\n"))+1 || ours.Msg == "" {
		t.Errorf("%.200q: %+v", data, ours)
	}
}

// compareValue checks each value's own accessors against each other and the text.
func compareValue(t *testing.T, v Value, data []byte) {
	t.Helper()
	if raw := v.Raw(); !json.Valid(raw) || !bytes.Contains(data, raw) {
		t.Errorf("%.200q: raw %q", data, raw)
	}
	switch v.Kind() {
	case Array:
		n := 0
		for i, e := range v.Elements() {
			if i != n || !bytes.Equal(v.Index(i).Raw(), e.Raw()) && v.Len() < 1000 {
				t.Errorf("%.200q: element %d: Index differs", data, i)
			}
			n++
			compareValue(t, e, data)
		}
		if n != v.Len() {
			t.Errorf("%.200q: Len %d, %d elements", data, v.Len(), n)
		}
	case Object:
		n := 0
		last := map[string]string{}
		for name, m := range v.Members() {
			last[name] = string(m.Raw())
			n++
			compareValue(t, m, data)
		}
		for name, raw := range last {
			if got := v.Get(name).Raw(); string(got) != raw && n < 1000 {
				t.Errorf("%.200q: Get(%q) = %q, want %q", data, name, got, raw)
			}
		}
		if n != v.Len() {
			t.Errorf("%.200q: Len %d, %d members", data, v.Len(), n)
		}
	case Number:
		var i int64
		want := json.Unmarshal(v.Raw(), &i)
		if got, err := v.Int64(); (err == nil) != (want == nil) || got != i && err == nil {
			t.Errorf("Int64 of %s = %d, %v; want %d, %v", v.Raw(), got, err, i, want)
		}
		var u uint64
		want = json.Unmarshal(v.Raw(), &u)
		if got, err := v.Uint64(); string(v.Raw()) != "-0" && ((err == nil) != (want == nil) || got != u && err == nil) {
			t.Errorf("Uint64 of %s = %d, %v; want %d, %v", v.Raw(), got, err, u, want)
		}
	}
}

// Every byte that means something, at every place in the blocks of eight to 64
// bytes that a parser may look at together.
func TestBlockBoundaries(t *testing.T) {
	for _, special := range []string{`"`, `\`, `\"`, `\\`, `\n`, `\u00e9`, `\ud83d\ude00`, "{", "}", "[", "]", ":", ",", " ", "\n", "\x00", "\x1f", "\x7f", "\x80", "\xff", "é", "日", "😀", "\xe6\x97", "0", "-"} {
		for at := range 192 {
			text := strings.Repeat("x", at) + special + strings.Repeat("y", 200-at)
			compare(t, []byte(`"`+text+`"`))
			compare(t, []byte(`["`+text[:at]+`",`+special+`]`))
			compare(t, []byte(strings.Repeat(" ", at)+special+strings.Repeat(" ", 192-at)))
			compare(t, []byte(`{"`+text+`":1`))
			compare(t, []byte("["+strings.Repeat("1", at+1)+special+"]"))
		}
	}
}

// Texts that span the windows of stage 1, cut at every place around their ends.
func TestWindows(t *testing.T) {
	for _, piece := range []string{`"plain text",`, `"esc\\\"aped\n",`, `123456789,`, `{"k":[true,null]},`, `"日本語 é",`, strings.Repeat(" ", 50) + "1,"} {
		body := strings.Repeat(piece, 3*65536/len(piece))
		for shift := range 70 {
			text := []byte("[" + strings.Repeat(" ", shift) + body + "0]")
			compareKernels(t, text, true)
			compareKernels(t, text[:len(text)-1-shift], false)
		}
	}
	long := `["` + strings.Repeat("x", 70_000) + `\n` + strings.Repeat("é", 70_000) + `"]`
	compare(t, []byte(long))
	compare(t, []byte(long[:len(long)-2]))
}

// The parser must not read behind the end of a text: what is there changes
// nothing.
func TestNothingBehindTheTextIsRead(t *testing.T) {
	for n := range 200 {
		text := `["` + strings.Repeat("a", n) + `"]`
		for _, behind := range []string{`"`, "]", "\xff", "9", "\\"} {
			memory := []byte(text + strings.Repeat(behind, 100))
			compareKernels(t, memory[:len(text)], true)
			compareKernels(t, memory[:len(text)-1], false)
		}
	}
}

func TestNumbersAreExact(t *testing.T) {
	doc, err := Parse([]byte(`[9223372036854775807, 18446744073709551615, 0.1, 5e-324, 1.7976931348623157e308, 123456789012345678901234567890, 1.5, -0.0, 1e400]`))
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Close()
	r := doc.Root()
	if n, err := r.Index(0).Int64(); n != math.MaxInt64 || err != nil {
		t.Error(n, err)
	}
	if n, err := r.Index(1).Uint64(); n != math.MaxUint64 || err != nil {
		t.Error(n, err)
	}
	for i, want := range []float64{2: 0.1, 3: 5e-324, 4: math.MaxFloat64, 5: 123456789012345678901234567890, 6: 1.5, 7: math.Copysign(0, -1)} {
		if got, err := r.Index(i).Float64(); i >= 2 && (math.Float64bits(got) != math.Float64bits(want) || err != nil) {
			t.Errorf("element %d: %v, %v; want %v", i, got, err, want)
		}
	}
	for _, i := range []int{1, 5, 6} {
		if n, err := r.Index(i).Int64(); err == nil {
			t.Errorf("Int64 of %s = %d", r.Index(i).Raw(), n)
		}
	}
	if _, err := r.Index(8).Float64(); err == nil {
		t.Error("1e400 is a float64")
	}
	if string(r.Index(5).Raw()) != "123456789012345678901234567890" {
		t.Error("raw", string(r.Index(5).Raw()))
	}
}

func TestMissingAndWrongKinds(t *testing.T) {
	doc, err := Parse([]byte(`{"a":[1,{"b":"text"}],"n":null,"t":true}`))
	if err != nil {
		t.Fatal(err)
	}
	r := doc.Root()
	if got, err := r.Get("a").Index(1).Get("b").String(); got != "text" || err != nil {
		t.Error(got, err)
	}
	for _, v := range []Value{{}, r.Get("x").Index(3).Get("y"), r.Get("a").Index(-1), r.Get("a").Index(2), r.Index(0), r.Get("n").Get("x")} {
		if v.Kind() != Invalid || v.Raw() != nil || v.Len() != 0 {
			t.Errorf("a missing value: %v %q", v.Kind(), v.Raw())
		}
		_, err1 := v.String()
		_, err2 := v.Int64()
		_, err3 := v.Bool()
		_, err4 := v.Any()
		for _, err := range []error{err1, err2, err3, err4, v.Decode(new(any))} {
			if !errors.Is(err, ErrKind) || !strings.Contains(err.Error(), "invalid") {
				t.Errorf("a missing value: %v", err)
			}
		}
		for range v.Elements() {
			t.Error("elements")
		}
		for range v.Members() {
			t.Error("members")
		}
	}
	if _, err := r.Get("t").String(); !errors.Is(err, ErrKind) || !strings.Contains(err.Error(), "bool") {
		t.Error(err)
	}
	var target struct{ B string }
	if err := r.Get("a").Index(1).Decode(&target); err != nil || target.B != "text" {
		t.Error(target, err)
	}
	doc.Close()
	doc.Close()
	(*Document)(nil).Close()
	if !debugging && (r.Kind() != Invalid || r.Get("a").Kind() != Invalid) {
		t.Error("a value is readable after Close")
	}
}

func TestAliasInput(t *testing.T) {
	data := []byte(`{"a":"first"}`)
	doc, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Close()
	copy(data, `{"a":"other"}`)
	if got, _ := doc.Root().Get("a").String(); got != "first" {
		t.Error("the document changed with its input:", got)
	}
	p := NewParser(Options{AliasInput: true})
	view, err := p.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if &view.Root().Raw()[0] != &data[0] {
		t.Error("AliasInput copies")
	}
}

func TestLimits(t *testing.T) {
	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if race.Enabled {
		t.Skip("comparing each level takes half a minute")
	}
	compare(t, deep(10_000))
	compare(t, deep(10_001))
	compare(t, []byte(strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000)))
	compare(t, []byte(strings.Repeat("[", 1<<20)))
	p := NewParser(Options{MaxDepth: 3, MaxBytes: 20})
	if _, err := p.Parse(deep(3)); err != nil {
		t.Error(err)
	}
	var syntax *SyntaxError
	if _, err := p.Parse(deep(4)); !errors.As(err, &syntax) || !strings.Contains(syntax.Msg, "max depth of 3") {
		t.Error(err)
	}
	if _, err := p.Parse(bytes.Repeat([]byte("1"), 21)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := NewParser(Options{MaxBytes: math.MaxInt}).Parse(nil); !errors.As(err, &syntax) {
		t.Error(err)
	}
}

func TestSyntaxErrorPosition(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) }
	for _, c := range []struct {
		maxDepth int
		text     string
		want     SyntaxError
	}{
		{0, "{\n  \"a\": 1,\n  \"b\": x\n}", SyntaxError{20, 3, 8, "invalid character 'x' looking for beginning of value"}},
		{3, "[[\n[[1]]]]", SyntaxError{5, 2, 2, "exceeded max depth of 3"}},
		{3, "[[[x", SyntaxError{4, 1, 4, "invalid character 'x' looking for beginning of value"}},
		// encoding/json has no words for what is deeper than 10 000.
		{20_000, deep(15_000) + "x", SyntaxError{15_001, 1, 15_001, "invalid JSON"}},
		{20_000, deep(10_001), SyntaxError{10_001, 1, 10_001, "invalid JSON"}},
		{20_000, deep(20_001), SyntaxError{20_001, 1, 20_001, "exceeded max depth of 20000"}},
		{20_000, "[x", SyntaxError{2, 1, 2, "invalid character 'x' looking for beginning of value"}},
		{0, "[\n \"aé\xff\"]", SyntaxError{8, 2, 6, "invalid UTF-8 in string"}},
		{0, "\"" + strings.Repeat("é", 100) + "\xe2\x82\"", SyntaxError{202, 1, 202, "invalid UTF-8 in string"}},
	} {
		_, err := NewParser(Options{MaxDepth: c.maxDepth}).Parse([]byte(c.text))
		if got, ok := errors.AsType[*SyntaxError](err); !ok || *got != c.want {
			t.Errorf("%.20q: got %+v, want %+v", c.text, err, c.want)
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	if race.Enabled || debugging {
		t.Skip("sync.Pool drops values under the race detector")
	}
	data := []byte(`{"query":"{ user { name } }","variables":{"id":[1,2,3,{"x":null}]}}`)
	for name, parse := range map[string]func(){
		"Parse":         func() { d, _ := Parse(data); d.Close() },
		"Valid":         func() { Valid(data) },
		"DecodeRequest": func() { r, _ := DecodeRequest(data); r.Close() },
	} {
		parse()
		if n := testing.AllocsPerRun(100, parse); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestParseBatch(t *testing.T) {
	for _, padding := range []int{0, 100_000} { // One after another, and in parallel.
		var texts [][]byte
		for i := range 50 {
			text := fmt.Sprintf(`{"i":%d,"pad":%q}`, i, strings.Repeat("x", padding/50))
			if i%20 == 7 {
				text = text[:len(text)-1]
			}
			texts = append(texts, []byte(text))
		}
		docs, err := ParseBatch(texts)
		var failed *BatchError
		if !errors.As(err, &failed) || len(failed.Errors) != 3 || !strings.HasPrefix(err.Error(), "3 of 50 documents: document 7: unexpected end") {
			t.Fatal(err)
		}
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Error("the error hides its causes")
		}
		for i, d := range docs {
			if i%20 == 7 {
				if d != nil || failed.Errors[i] == nil {
					t.Errorf("document %d: %v, %v", i, d, failed.Errors[i])
				}
				continue
			}
			if got, err := d.Root().Get("i").Int64(); int(got) != i || err != nil {
				t.Errorf("document %d has %d, %v", i, got, err)
			}
			d.Close()
		}
	}
	if docs, err := ParseBatch(nil); len(docs) != 0 || err != nil {
		t.Error(docs, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, g := range grammar {
		for _, text := range append(g.accepted, g.refused...) {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(`{"query":"query($id: ID!) {\n  user(id: $id) { name }\n}","variables":{"id":"42","tags":["a","é",null,1.5e3]}}`))
	f.Fuzz(func(t *testing.T, data []byte) { compare(t, data) })
}

// Map is what encoding/json decodes with UseNumber, of an object, and refers to nothing.
func TestMap(t *testing.T) {
	text := []byte(`{"i":12345678901234567890123,"f":1.50,"s":"a\\u00e9","t":true,"n":null,"l":[1,{"x":-0}],"":{}}`)
	doc, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := doc.Root().Map()
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if m, err := doc.Root().Get("n").Map(); m != nil || err != nil {
		t.Errorf("of null: %v, %v", m, err)
	}
	if m, err := doc.Root().Get("missing").Map(); m != nil || err != nil {
		t.Errorf("of nothing: %v, %v", m, err)
	}
	if _, err := doc.Root().Get("l").Map(); err == nil {
		t.Error("of a list: no error")
	}
	doc.Close()
	for range 10 { // The document's memory is used again.
		other, err := Parse(bytes.Repeat([]byte(" "), 100))
		if err == nil {
			other.Close()
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
