package simdjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gqlboost/gqlboost/internal/race"
)

//lint:file-ignore SA5008 tags that encoding/json ignores, sonic must ignore as well

// The types have what encoding/json treats in a way of its own.
type (
	basic struct {
		B   bool
		I   int
		I8  int8
		U   uint
		U8  uint8
		F   float64
		F32 float32
		S   string
		A   any
	}
	tagged struct {
		ID      int            `json:"id"`
		Name    string         `json:"name,omitempty"`
		Skipped string         `json:"-"`
		Dash    int            `json:"-,"`
		Quoted  int            `json:"quoted,string"`
		QuotedB bool           `json:"quotedB,string"`
		QuotedS string         `json:"quotedS,string"`
		QuotedF *float64       `json:"quotedF,string"`
		Ptr     *int           `json:"ptr"`
		PtrPtr  **string       `json:"ptrptr"`
		Any     any            `json:"any"`
		Map     map[string]any `json:"map"`
		Uni     string         `json:"größe"`
		Upper   string         `json:"UPPER"`
		hidden  int            //lint:ignore U1000 what is not exported is not decoded
	}
	inner struct {
		X, Y int
		Name string
	}
	Exported struct {
		X    string
		Deep int
	}
	embedding struct {
		inner
		*Exported
		Name string
		Z    []inner
	}
	clash struct {
		Left
		Right
		Own string `json:"own"`
	}
	Left  struct{ Same, L string }
	Right struct{ Same, R string }
	lists struct {
		S  []string
		I  []int
		B  []byte
		A  [3]int
		AA [2][2]string
		SS [][]any
		P  []*inner
		E  [0]int
		SB [4]byte
	}
	mapped struct {
		S  map[string]string
		I  map[int]string
		U8 map[uint8]int
		T  map[upper]int
		M  map[string]map[string]inner
		P  map[string]*inner
		R  map[string]json.RawMessage
		N  map[named]named
	}
	named  string
	number int
	floats []float32
	upper  string
	custom struct {
		Text  netip.Addr
		Time  time.Time
		Dur   time.Duration
		Raw   json.RawMessage
		Num   json.Number
		PNum  *json.Number
		Shout shout
		PS    *shout
		Up    upper
		PUp   *upper
		Count counted
		L     []shout
		M     map[string]shout
		Iface fmt.Stringer
		NN    number
		Quote json.Number `json:",string"`
	}
	shout     struct{ Text string }
	counted   int
	recursive struct {
		Name string
		Next *recursive
		Kids []recursive
		ByID map[string]*recursive
	}
	posted struct {
		Query         string          `json:"query"`
		OperationName string          `json:"operationName"`
		Variables     map[string]any  `json:"variables"`
		Extensions    json.RawMessage `json:"extensions"`
	}
	small  struct{ V int }
	Shape  interface{ Area() float64 }
	bytish byte
	pair   [2]int
	odd    struct {
		*small
		Shape
		number  //lint:ignore U1000 likewise
		Bytes   []bytish
		Pair    *pair
		Pairs   map[pair]int `json:"-"`
		Zero    int          `json:",omitzero"`
		Strange string       `json:"a b!#$%&()*+-./:;<=>?@[]^_{|}~ "`
		Comma   string       `json:"bad,name,string"`
		Quote   int          `json:"qu\"ote"`
		Ptrs    *[]*string
		PMap    *map[string]*[]int
		SMap    map[string][]map[string]bool
		StrPtr  *int        `json:",string"`
		StrMap  map[int]int `json:",string"`
		StrAny  any         `json:",string"`
		Both    both
		Value   byValue
		Raws    []json.RawMessage
		PRaw    *json.RawMessage
		Nums    []json.Number
		U64     uint64
		UP      uintptr
		Runes   []rune
		Structs [2]struct{ A, B *int }
	}
	both    struct{ Text string }
	byValue struct{ seen *[]string }
	funny   struct {
		Chan chan int
		Func func()
		Cplx complex64
	}
)

func (u *upper) UnmarshalText(b []byte) error {
	if bytes.ContainsRune(b, '!') {
		return fmt.Errorf("upper: no %q", b)
	}
	*u = upper(strings.ToUpper(string(b)))
	return nil
}

func (s *shout) UnmarshalJSON(b []byte) error {
	if bytes.Contains(b, []byte("fail")) {
		return fmt.Errorf("shout: %s", b)
	}
	s.Text = "<" + string(b) + ">"
	return nil
}

func (b *both) UnmarshalJSON(text []byte) error { b.Text = "json " + string(text); return nil }
func (b *both) UnmarshalText(text []byte) error { b.Text = "text " + string(text); return nil }

func (v byValue) UnmarshalJSON(text []byte) error {
	if v.seen == nil {
		return fmt.Errorf("byValue: %s", text)
	}
	return nil
}

func (c *counted) UnmarshalJSON(b []byte) error { *c += counted(len(b)); return nil }

var targets = []reflect.Type{
	reflect.TypeFor[any](), reflect.TypeFor[basic](), reflect.TypeFor[tagged](), reflect.TypeFor[embedding](),
	reflect.TypeFor[clash](), reflect.TypeFor[lists](), reflect.TypeFor[mapped](), reflect.TypeFor[custom](),
	reflect.TypeFor[recursive](), reflect.TypeFor[posted](), reflect.TypeFor[funny](),
	reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[uint16](), reflect.TypeFor[float64](), reflect.TypeFor[float32](),
	reflect.TypeFor[bool](), reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any](), reflect.TypeFor[[]byte](),
	reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.Number](), reflect.TypeFor[*basic](), reflect.TypeFor[**int](),
	reflect.TypeFor[[]tagged](), reflect.TypeFor[map[int64]basic](), reflect.TypeFor[time.Time](), reflect.TypeFor[upper](),
	reflect.TypeFor[shout](), reflect.TypeFor[fmt.Stringer](), reflect.TypeFor[floats](), reflect.TypeFor[map[float64]int](),
	reflect.TypeFor[map[named]any](), reflect.TypeFor[struct{}](), reflect.TypeFor[[2]any](), reflect.TypeFor[map[bool]int](),
	reflect.TypeFor[odd](), reflect.TypeFor[both](), reflect.TypeFor[byValue](), reflect.TypeFor[map[upper]*odd](), reflect.TypeFor[[]bytish](), reflect.TypeFor[*[]*recursive](),
}

// compareUnmarshal asks encoding/json and this package for each type, and from
// targets that are zero and that are not.
func compareUnmarshal(t *testing.T, data []byte) {
	t.Helper()
	for _, typ := range targets {
		want, got := reflect.New(typ), reflect.New(typ)
		wantErr, err := json.Unmarshal(data, want.Interface()), Unmarshal(data, got.Interface())
		compareUnmarshaled(t, typ, data, want, got, wantErr, err)
		// And over it: what is there matters.
		wantErr, err = json.Unmarshal(data, want.Interface()), Unmarshal(data, got.Interface())
		compareUnmarshaled(t, typ, data, want, got, wantErr, err)
	}
}

func compareUnmarshaled(t *testing.T, typ reflect.Type, data []byte, want, got reflect.Value, wantErr, err error) {
	t.Helper()
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || reflect.TypeOf(err) != reflect.TypeOf(wantErr) {
		t.Errorf("%v from %.300q: error %v, want %v", typ, data, err, wantErr)
	}
	if !reflect.DeepEqual(got.Interface(), want.Interface()) {
		g, _ := json.Marshal(got.Interface())
		w, _ := json.Marshal(want.Interface())
		t.Errorf("%v from %.300q:\n got %+v %s\nwant %+v %s", typ, data, got.Elem(), g, want.Elem(), w)
	}
}

// jsonMaker makes texts that fit the types more often than chance would.
type jsonMaker struct {
	*rand.Rand
	b []byte
}

var (
	makerStrings = []string{"", "a", "fail", "no!", "1", "-5", "1.5", "true", "null", `"x"`, "12e3", "NaN", "AQID", "AQID==", "é😀", "2001-02-03T04:05:06Z", "10.0.0.1", `\u00e9`, `\ud83d\ude00`, `\ud800`, `\n\"`, "K", `\u0000`, "x\u2028"}
	makerNumbers = []string{"0", "-0", "1", "-1", "127", "128", "255", "256", "-128", "-129", "65536", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1.0", "1e2", "1E400", "-1e-400", "0.1", "3.4e38", "3.5e38", "1e-46", "123456789012345678901234567890", "0.30000000000000004", "2.2250738585072011e-308"}
	makerNames   = func() (names []string) {
		for _, typ := range targets {
			if typ.Kind() != reflect.Struct {
				continue
			}
			for i := range typ.NumField() {
				name := typ.Field(i).Name
				if tag, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); tag != "" {
					name = tag
				}
				names = append(names, name, strings.ToLower(name), strings.ToUpper(name))
			}
		}
		return append(names, "x", "1", "-2", "300", "true", "1.5", "ſ", "İd", `\u0130D`, "K", "S\u212a", "\u212aind", `\u212aind`, `\u0053`, "", "same", "r")
	}()
)

func pick[T any](m *jsonMaker, list []T) T { return list[m.IntN(len(list))] }

func (m *jsonMaker) value(depth int) {
	switch n := m.IntN(12); {
	case n < 2:
		m.b = append(m.b, pick(m, []string{"null", "true", "false"})...)
	case n < 4:
		m.number()
	case n < 6 || depth == 0:
		m.b = append(append(append(m.b, '"'), m.text()...), '"')
		m.b = bytes.Replace(m.b, []byte(`""x""`), []byte(`"\"x\""`), 1)
	case n < 9:
		m.b = append(m.b, '{')
		for i := range m.IntN(5) {
			if i > 0 {
				m.b = append(m.b, ',')
			}
			m.b = append(append(append(m.b, '"'), pick(m, makerNames)...), '"', ':')
			m.value(depth - 1)
		}
		m.b = append(m.b, '}')
	default:
		m.b = append(m.b, '[')
		for i := range m.IntN(5) {
			if i > 0 {
				m.b = append(m.b, ',', ' ')
			}
			m.value(depth - 1)
		}
		m.b = append(m.b, ']')
	}
}

// number makes a number, at times one that is next to where rounding changes.
func (m *jsonMaker) number() {
	switch m.IntN(4) {
	case 0:
		m.b = strconv.AppendFloat(m.b, math.Float64frombits(m.Uint64()&^(1<<62)), "eg"[m.IntN(2)], -1, 64)
	case 1:
		m.b = strconv.AppendInt(m.b, int64(m.Uint64())>>m.IntN(64), 10)
		for range m.IntN(3) * m.IntN(12) {
			m.b = append(m.b, byte('0'+m.IntN(10)))
		}
		if m.IntN(3) == 0 {
			m.b = append(m.b, '.', byte('0'+m.IntN(10)))
		}
		if m.IntN(6) == 0 {
			m.b = append(m.b, pick(m, []string{"e0", "E5", "e-7", "e+300", "e-330"})...)
		}
	default:
		m.b = append(m.b, pick(m, makerNumbers)...)
	}
}

// text makes the text of a string.
func (m *jsonMaker) text() (text string) {
	for range m.IntN(4) {
		switch m.IntN(4) {
		case 0:
			text += fmt.Sprintf(`\u%04x`, pick(m, []int{m.IntN(1 << 16), 0xD800 + m.IntN(1<<11), m.IntN(128)}))
		case 1:
			text += strings.Repeat(string(rune('a'+m.IntN(26))), m.IntN(40))
		default:
			text += pick(m, makerStrings)
		}
	}
	return strings.ReplaceAll(text, `"x"`, `\"x\"`)
}

// fit makes a text for a type: what a client that means well sends.
func (m *jsonMaker) fit(typ reflect.Type, depth int) {
	if depth == 0 || m.IntN(20) == 0 {
		m.value(1)
		return
	}
	switch typ.Kind() {
	case reflect.Struct:
		m.b = append(m.b, '{')
		first := true
		for i := range typ.NumField() {
			if m.IntN(3) == 0 {
				continue
			}
			if !first {
				m.b = append(m.b, ',')
			}
			first = false
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name == "" {
				name = typ.Field(i).Name
			}
			m.b = append(strconv.AppendQuote(m.b, name), ':')
			if options == "string" && m.IntN(3) > 0 {
				m.b = append(append(append(m.b, '"'), pick(m, append(makerNumbers, `\"a\"`, "true", "null", " 1", "01"))...), '"')
				continue
			}
			m.fit(typ.Field(i).Type, depth-1)
		}
		m.b = append(m.b, '}')
	case reflect.Slice, reflect.Array:
		if typ.Elem().Kind() == reflect.Uint8 && m.IntN(2) == 0 {
			m.b = append(m.b, pick(m, []string{`"AQID"`, `"AQI="`, `"A\u0051I="`, `"A Q"`, `"AQ\nID"`, `"AQ"`, `""`})...)
			return
		}
		m.b = append(m.b, '[')
		for i := range m.IntN(4) {
			if i > 0 {
				m.b = append(m.b, ',')
			}
			m.fit(typ.Elem(), depth-1)
		}
		m.b = append(m.b, ']')
	case reflect.Map:
		m.b = append(m.b, '{')
		for i := range m.IntN(4) {
			if i > 0 {
				m.b = append(m.b, ',')
			}
			m.b = append(append(append(m.b, '"'), pick(m, makerNames)...), '"', ':')
			m.fit(typ.Elem(), depth-1)
		}
		m.b = append(m.b, '}')
	case reflect.Pointer:
		m.fit(typ.Elem(), depth-1)
	case reflect.Int, reflect.Int8, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Int64, reflect.Float64, reflect.Float32:
		m.number()
	case reflect.Bool:
		m.b = append(m.b, pick(m, []string{"true", "false"})...)
	case reflect.String:
		m.b = append(append(append(m.b, '"'), m.text()...), '"')
	default:
		m.value(depth - 1)
	}
}

func TestUnmarshalIsThatOfEncodingJSON(t *testing.T) {
	rounds := 3000
	if race.Enabled || testing.Short() {
		rounds = 100
	}
	m := &jsonMaker{Rand: rand.New(rand.NewPCG(1, 2))}
	for i := range rounds {
		m.b = m.b[:0]
		if i%2 == 0 {
			m.value(4)
		} else {
			m.fit(targets[i/2%len(targets)], 6)
		}
		compareUnmarshal(t, m.b)
		if t.Failed() && i > 200 {
			break
		}
	}
}

// Where sonic has differed from encoding/json.
func TestUnmarshalWhereSonicDiffers(t *testing.T) {
	type quoted struct {
		N int `json:"bad\"name"`
	}
	for _, c := range []struct {
		text   string
		target reflect.Type
	}{
		{`7.328900098800659`, reflect.TypeFor[float32]()},
		{`[1.00000017881393432617187499]`, reflect.TypeFor[[]float32]()},
		{`{"a":1,"a":null}`, reflect.TypeFor[map[string]int]()},
		{`{"a":{"X":1},"a":{"Y":2}}`, reflect.TypeFor[map[string]inner]()},
		{`{"V":1}`, reflect.TypeFor[odd]()},
		{`{"name":1}`, reflect.TypeFor[struct{ *inner }]()},
		{`"A\nullu0051I="`, reflect.TypeFor[[]byte]()},
		{`{"bad":"\udc33"}`, reflect.TypeFor[quoted]()},
		{`{"ſ":1}`, reflect.TypeFor[struct{ S int }]()},
		{`{"\u212a":1}`, reflect.TypeFor[struct{ K int }]()},
		{"{\"\u212a\":1}", reflect.TypeFor[struct{ K int }]()},
		{`{"İd":5}`, reflect.TypeFor[struct{ ID int }]()},
		{`{"\u0130D":5}`, reflect.TypeFor[struct{ ID int }]()},
		{`{"id":1,"İd":2}`, reflect.TypeFor[struct{ ID int }]()},
		{`-0`, reflect.TypeFor[uint]()},
		{`{"1.5":1}`, reflect.TypeFor[map[float64]int]()},
	} {
		comparePair(t, c.target, []byte(c.text))
	}
	for _, n := range []int{9_999, 10_000, 10_001} {
		for _, target := range []reflect.Type{reflect.TypeFor[any](), reflect.TypeFor[recursive]()} {
			comparePair(t, target, []byte(strings.Repeat("[", n)+strings.Repeat("]", n)))
			comparePair(t, target, []byte(strings.Repeat(`{"Next":`, n)+"null"+strings.Repeat("}", n)))
		}
	}
}

// A method for decoding is called once, whatever comes of it.
func TestUnmarshalCallsOnce(t *testing.T) {
	for _, text := range []string{`{"C":1,"N":2}`, `{"C":1,"N":"x"}`} {
		var calls callCounter
		target := struct {
			C *callCounter
			N int
		}{C: &calls}
		_ = Unmarshal([]byte(text), &target)
		if calls != 1 {
			t.Errorf("%s: %d calls", text, calls)
		}
		totalCalls = 0
		var zero struct {
			C callCounter
			N int
		}
		_ = Unmarshal([]byte(text), &zero)
		if totalCalls != 1 {
			t.Errorf("%s: %d calls", text, totalCalls)
		}
	}
}

type callCounter int

var totalCalls int

func (c *callCounter) UnmarshalJSON([]byte) error { *c++; totalCalls++; return nil }

// decodesItself has the name of encoding/json/v2's method, which encoding/json calls where
// it is built on v2: see unmarshal_v2_test.go.
type decodesItself struct{ N int }

func (*decodesItself) UnmarshalJSONFrom(any) error { return nil }

// sonic decodes nothing with a method for decoding of its own.
func TestUnmarshalKnowsMethods(t *testing.T) {
	for _, target := range []any{
		new(decodesItself), new([]decodesItself), new(struct{ F *decodesItself }), new(map[string]decodesItself),
		new(both), new(shout), new(upper), new(map[upper]int),
	} {
		if f := targetFitness(target); f != unfit {
			t.Errorf("%T: fitness %d", target, f)
		}
	}
}

// sonic compiles the code of an array's element for each of them, so a large array took
// gigabytes at its first text, whatever that was.
func TestUnmarshalLargeArrays(t *testing.T) {
	if targetFitness(new(int)) == unfit {
		t.Skip("sonic is not built")
	}
	type row struct{ Cells [8]int }
	type binary struct{ Kids [2]*binary }
	for _, c := range []struct {
		target any
		large  bool
	}{
		{new([64]int), false}, {new([65]int), true}, {new([8][8]int), false}, {new([8][9]int), true},
		{new([8]row), false}, {new([9]row), true}, {new([64][]map[string]*[1]row), true},
		{new(struct {
			One  row
			Many [9]row
		}), true},
		{new([1 << 30]struct{}), true}, {new([64][1 << 30]struct{}), true}, {new([0][65]int), true},
		{new([][64]int), false}, {new(binary), true},
	} {
		// targetFitness might look at each of 2^30 elements.
		if f := sonicFitness(reflect.TypeOf(c.target).Elem()); (f == unfit) != c.large {
			t.Errorf("%T: fitness %d", c.target, f)
		}
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[[64]int](), reflect.TypeFor[[8]row](), reflect.TypeFor[[65]int](), reflect.TypeFor[binary](),
	} {
		for _, text := range []string{`[]`, `[1,null,2]`, `[{"Cells":[1,2]}]`, `{"Kids":[{"Kids":null},{}]}`} {
			comparePair(t, typ, []byte(text))
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := new([2000]int)
	if err := Unmarshal([]byte("[1]"), got); err != nil || got[0] != 1 {
		t.Errorf("got %v, %v", got[0], err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("it took %d bytes", n)
	}
}

// closer closes the document that it is decoded from.
type closer struct{ doc **Document }

func (c closer) UnmarshalJSON([]byte) error {
	(*c.doc).Close()
	*c.doc = nil
	other, err := Parse([]byte(`{"A":{},"B":"that of another owner","pad":"                "}`))
	other.Close()
	return err
}

func TestDecodeWhileClosing(t *testing.T) {
	doc, err := Parse([]byte(`{"A":{},"B":"that of the first owner","pad":"              "}`))
	if err != nil {
		t.Fatal(err)
	}
	target := struct {
		A closer
		B string
	}{A: closer{&doc}}
	if err := doc.Root().Decode(&target); err != nil || target.B != "that of the first owner" {
		t.Errorf("got %q, %v", target.B, err)
	}
}

// FuzzUnmarshal looks for what sonic does differently.
func FuzzUnmarshal(f *testing.F) {
	m := &jsonMaker{Rand: rand.New(rand.NewPCG(3, 4))}
	for i := range 4 * len(targets) {
		m.b = nil
		m.fit(targets[i%len(targets)], 6)
		f.Add(m.b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 64<<10 {
			compareUnmarshal(t, data)
		}
	})
}

// Values of maps that are larger than 128 bytes are stored in another way, which decoders
// that know the runtime's insides have been wrong about (sonic issue 912). Collections and
// a profiler find goroutines inside of decoders (sonic pull request 972).
func TestUnmarshalWhileCollectingAndProfiling(t *testing.T) {
	type large struct {
		Names [12]string
		Lists [4][]string
		Next  map[string]large
	}
	text := []byte("{")
	for i := range 40 {
		text = fmt.Appendf(text, `"key%d":{"Names":["a%d","b"],"Lists":[["c%d"],null,["d","e"]],"Next":{"x":{"Names":["y%d"]}}},`, i, i, i, i)
	}
	text = append(text[:len(text)-1], '}')
	var want map[string]large
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if pprof.StartCPUProfile(io.Discard) == nil { // Another profile does as well.
		defer pprof.StopCPUProfile()
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 60 {
				var got map[string]large
				if err := Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("another result: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}
