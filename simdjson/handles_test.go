package simdjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gqlboost/gqlboost/internal/race"
)

// open parses a text, or fails.
func open(t testing.TB, text string) *Document {
	t.Helper()
	doc, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// A second Close, when the memory is another document's already, ends nothing.
func TestSecondCloseIsHarmless(t *testing.T) {
	for range 200 {
		a := open(t, `"alice"`)
		copied := *a
		a.Close()
		b := open(t, `"bob"`)
		a.Close()
		copied.Close()
		c := open(t, `"eve"`)
		if got, err := b.Root().String(); got != "bob" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		b.Close()
		c.Close()

		r, err := DecodeRequest([]byte(`{"query":"{a\n}","variables":{"of":"r"}}`))
		if err != nil {
			t.Fatal(err)
		}
		r2 := *r
		r.Close()
		s, err := DecodeRequest([]byte(`{"query":"{b\n}","variables":{"of":"s"}}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		r2.Close()
		x := open(t, `"x"`)
		if o := s.Operations()[0]; o.Query != "{b\n}" || o.Variables.Get("of").text() != "s" {
			t.Fatalf("got %q, %v", o.Query, o.Variables)
		}
		s.Close()
		x.Close()
	}
	new(Document).Close()
	(*Document)(nil).Close()
	(*Request)(nil).Close()
	new(Request).Close()
	if (*Document)(nil).Root().Kind() != Invalid || new(Document).Root().Kind() != Invalid {
		t.Error("nothing has a root")
	}
}

// text is String for comparisons: no string is "<none>".
func (v Value) text() string {
	s, err := v.String()
	if err != nil {
		return "<none>"
	}
	return strings.Clone(s)
}

// dead checks that nothing can be read of a value whose document was closed.
func dead(t testing.TB, v Value) {
	t.Helper()
	_, err := v.String()
	_, err2 := v.Any()
	_, err3 := v.Map()
	_, err4 := v.MarshalJSON()
	_, err5 := v.Int64()
	for _, err := range []error{err, err2, err3, err4, err5, v.Decode(new(any))} {
		if !errors.Is(err, ErrClosed) || !errors.Is(err, ErrKind) {
			t.Fatalf("a closed value: error %v", err)
		}
	}
	if v.Kind() != Invalid || v.Raw() != nil || v.Len() != 0 || v.Get("owner").Kind() != Invalid || v.Index(0).Kind() != Invalid ||
		v.Pointer("/owner").Kind() != Invalid || fmt.Sprint(v) != "<invalid>" {
		t.Fatalf("a closed value: %v", v)
	}
	for name := range v.Members() {
		t.Fatalf("a closed value has the member %q", name)
	}
	for i := range v.Elements() {
		t.Fatalf("a closed value has element %d", i)
	}
}

func TestUseAfterClose(t *testing.T) {
	if debugging {
		t.Skip("the debug build panics")
	}
	doc := open(t, `{"owner":"me","list":[1,2,3]}`)
	root := doc.Root()
	values := []Value{root, root.Get("owner"), root.Get("list"), root.Get("list").Index(2)}
	doc.Close()
	other := open(t, `[{"owner":"other"},["x"]]`)
	defer other.Close()
	for _, v := range append(values, doc.Root()) {
		dead(t, v)
	}

	r, err := DecodeRequest([]byte(`[{"query":"a","variables":{"owner":"r"}},{"query":"\u0062","extensions":{}}]`))
	if err != nil {
		t.Fatal(err)
	}
	operations, first, copied := r.Operations(), &r.Operations()[0], r.Operations()[0]
	r.Close()
	for range 2 * slab { // Others take what the request had.
		s, err := DecodeRequest([]byte(`[{"query":"other","variables":{"owner":"s"},"extensions":{}},{"query":"other"}]`))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []Operation{operations[0], operations[1], *first, r.Operations()[1]} {
			if o != (Operation{}) {
				t.Fatalf("an operation of a closed request: %+v", o)
			}
		}
		dead(t, copied.Variables)
		s.Close()
	}
}

// Closing a document while ranging over it ends the range.
func TestCloseWhileRanging(t *testing.T) {
	for _, text := range []string{`[1,2,3]`, `{"a":1,"b":2,"c":3}`} {
		doc, n := open(t, text), 0
		var next *Document
		step := func() {
			if n++; n == 2 {
				doc.Close()
				next = open(t, `[[],[],[],[],[],[],[],[],[],[],[],[],[]]`)
			}
		}
		if root := doc.Root(); root.Kind() == Array {
			for range root.Elements() {
				step()
			}
		} else {
			for range root.Members() {
				step()
			}
		}
		if n != 2 {
			t.Errorf("%s: %d steps, want 2", text, n)
		}
		next.Close()
	}
}

// One of many goroutines that close a document at the same time does.
func TestConcurrentClose(t *testing.T) {
	for range 200 {
		doc := open(t, `"x"`)
		var closed atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if doc.close() {
					closed.Add(1)
				}
			})
		}
		wg.Wait()
		if closed.Load() != 1 {
			t.Fatalf("closed %d times", closed.Load())
		}
	}
}

// Memory whose generations are used up goes to no pool: they must not start again.
func TestGenerationsEnd(t *testing.T) {
	m := &memory{shard: counters.shard()}
	m.generation.Store(math.MaxUint32 - 1)
	(&Document{m, m.generation.Load()}).Close()
	for range 100 {
		if got := memories.Get().(*memory); got == m {
			t.Fatal("the memory is used again")
		}
	}
}

func TestAnyIsBounded(t *testing.T) {
	const levels = 3_000_000
	p := NewParser(Options{MaxDepth: levels})
	for _, c := range [][3]string{{"[", "", "]"}, {`{"a":`, "1", "}"}} {
		doc, err := p.Parse([]byte(strings.Repeat(c[0], levels) + c[1] + strings.Repeat(c[2], levels)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := doc.Root().Any(); !errors.Is(err, ErrTooDeep) {
			t.Errorf("Any: %v", err)
		}
		if _, err := doc.Root().Map(); err == nil {
			t.Error("Map: no error")
		}
		if err := doc.Root().Decode(new(any)); err == nil {
			t.Error("Decode: no error")
		}
		if _, err := json.Marshal(doc.Root()); err == nil {
			t.Error("Marshal: no error")
		}
		doc.Close()
	}
	deep := strings.Repeat("[", 9_998)
	doc := open(t, `[`+deep+strings.Repeat("]", 9_998)+`,{"a":{}}]`)
	defer doc.Close()
	if _, err := doc.Root().Any(); err != nil {
		t.Error(err)
	}
}

func TestValuePrintsAsItsJSON(t *testing.T) {
	doc := open(t, ` {"a": [1, "x\n"], "n": null}`)
	defer doc.Close()
	root := doc.Root()
	held := struct {
		V    Value
		None Value
	}{V: root.Get("a")}
	for got, want := range map[string]string{
		fmt.Sprint(root):                   `{"a": [1, "x\n"], "n": null}`,
		fmt.Sprintf("%v %s", root, root):   `{"a": [1, "x\n"], "n": null} {"a": [1, "x\n"], "n": null}`,
		fmt.Sprintf("%+v", held):           `{V:[1, "x\n"] None:<invalid>}`,
		fmt.Sprintf("%6v|", root.Get("n")): `  null|`,
		fmt.Sprintf("%q", root.Get("n")):   `"null"`,
		fmt.Sprint(root.Get("missing")):    `<invalid>`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if b, err := json.Marshal(held); string(b) != `{"V":[1,"x\n"],"None":null}` || err != nil {
		t.Errorf("got %s, %v", b, err)
	}
}

// A handle that does not leave its function costs no allocation: Parse and DecodeRequest are
// inlined.
func TestHandlesCostNothing(t *testing.T) {
	if race.Enabled || debugging {
		t.Skip("memory is not used again")
	}
	text := []byte(`{"query":"{a}","variables":{"b":1}}`)
	for name, use := range map[string]func() bool{
		"Parse": func() bool {
			doc, err := Parse(text)
			if err != nil {
				return false
			}
			defer doc.Close()
			return doc.Root().Get("query").Kind() == String
		},
		"DecodeRequest": func() bool {
			r, err := DecodeRequest(text)
			if err != nil {
				return false
			}
			defer r.Close()
			return r.Operations()[0].Query == "{a}"
		},
	} {
		worked := true
		if n := testing.AllocsPerRun(1000, func() { worked = use() && worked }); n != 0 || !worked {
			t.Errorf("%s: %v allocations, worked: %v", name, n, worked)
		}
	}
}
