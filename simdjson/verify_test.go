package simdjson

import (
	"bytes"
	"errors"
	"math"
	"net/url"
	"strings"
	"testing"
)

func longText() []byte { return []byte(`{"list":[` + strings.Repeat(`{"a":"b"},`, 200) + `1]}`) }

func TestParserKernel(t *testing.T) {
	for name, limit := range map[string]kernel{"": avx512, "portable": portable, "neon": neon, "avx2": avx2, "avx512": avx512} {
		want := min(bestBelow(limit), environment().kernel)
		if got := NewParser(Options{Kernel: name}).Kernel(); got != want.String() {
			t.Errorf("Kernel %q: got %s, want %s", name, got, want)
		}
	}
	if got := NewParser(Options{Mode: Portable, Kernel: "avx512"}).Kernel(); got != "portable" {
		t.Errorf("mode Portable: got %s", got)
	}
	if got := new(Parser).Kernel(); got != Kernel() {
		t.Errorf("zero Parser: got %s, want %s", got, Kernel())
	}
}

// A parser with a kernel that there is not refuses everything, and says why.
func TestUnknownKernel(t *testing.T) {
	const want = `Options.Kernel: simdjson: unknown kernel "portabel": use one of portable, neon, avx2, avx512`
	before := metricValues()["gqlboost.simdjson.unknown_kernels"]
	p := NewParser(Options{Kernel: "portabel"})
	if got := metricValues()["gqlboost.simdjson.unknown_kernels"] - before; got != 1 {
		t.Errorf("the metric grew by %v, want 1", got)
	}
	if got := p.Kernel(); got != want {
		t.Errorf("Kernel: got %s", got)
	}
	if doc, err := p.Parse([]byte("1")); doc != nil || errorText(err) != want {
		t.Errorf("Parse: got %v, %v", doc, err)
	}
	for doc, err := range p.ParseLines(strings.NewReader("1")) {
		if doc != nil || errorText(err) != "line 1: "+want {
			t.Errorf("ParseLines: got %v, %v", doc, err)
		}
	}
	var refused *RequestError
	for _, decode := range []func() (*Request, error){
		func() (*Request, error) { return p.DecodeRequest([]byte("{}")) },
		func() (*Request, error) { return p.DecodeForm(url.Values{"query": {"{a}"}}) },
	} {
		if r, err := decode(); r != nil || !errors.As(err, &refused) || refused.Kind != Misconfigured || errorText(refused.Err) != want {
			t.Errorf("got %v, %v", r, err)
		}
	}
}

// So does one with a mode that there is not, which is not a kernel for the metric.
func TestUnknownMode(t *testing.T) {
	const want = "Options.Mode: simdjson: unknown mode 3: use Auto, Portable or Verify"
	before := metricValues()["gqlboost.simdjson.unknown_kernels"]
	p := NewParser(Options{Mode: Verify + 1})
	if got := p.Kernel(); got != want {
		t.Errorf("Kernel: got %s", got)
	}
	if doc, err := p.Parse([]byte("1")); doc != nil || errorText(err) != want {
		t.Errorf("Parse: got %v, %v", doc, err)
	}
	if got := metricValues()["gqlboost.simdjson.unknown_kernels"]; got != before {
		t.Errorf("the metric grew to %v", got)
	}
}

func TestDefaultSample(t *testing.T) {
	for _, sample := range []float64{0, -1, math.NaN()} {
		if got := NewParser(Options{Sample: sample}).settings.Sample; got != defaultSample {
			t.Errorf("%v: got %v", sample, got)
		}
	}
}

func TestVerify(t *testing.T) {
	if environment().kernel == portable {
		t.Skip("there is one kernel only")
	}
	text := longText()
	bad := append(bytes.Clone(text), '}')
	cases := []struct {
		name     string
		text     []byte
		tamper   func(*memory)
		mismatch string
	}{
		{"they agree", text, nil, ""},
		{"they agree that it is bad", bad, nil, ""},
		{"another value", text, func(d *memory) { d.tape[3] = makeWord(tagNull, 0, 4) }, "accepted"},
		{"a value less", text, func(d *memory) { d.tape = d.tape[:len(d.tape)-1] }, "accepted"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			p := NewParser(Options{Mode: Verify, Sample: 1, OnMismatch: func(m Mismatch) {
				if m.Kernel != Kernel() || !bytes.Equal(m.Text, c.text) || m.Err != nil {
					t.Errorf("got mismatch %+v", m)
				}
				what := "refused"
				if m.Accepted {
					what = "accepted"
				}
				got = append(got, what)
			}})
			p.settings.tamper = c.tamper
			doc, err := p.Parse(c.text)
			if (err == nil) != Valid(c.text) {
				t.Fatalf("error %v", err)
			}
			if err == nil {
				if raw := doc.Root().Raw(); !bytes.Equal(raw, c.text) || doc.Root().Get("list").Len() != 201 {
					t.Errorf("the result is not that of the portable kernel")
				}
				doc.Close()
			}
			if strings.Join(got, " ") != c.mismatch {
				t.Errorf("got mismatches %q, want %q", got, c.mismatch)
			}
		})
	}
}

// A hook that panics does not end the call that it is told about.
func TestVerifyPanic(t *testing.T) {
	if environment().kernel == portable {
		t.Skip("there is one kernel only")
	}
	before := metricValues()["gqlboost.simdjson.mismatches"]
	p := NewParser(Options{Mode: Verify, Sample: 1, OnMismatch: func(Mismatch) { panic("no logger") }})
	p.settings.tamper = func(d *memory) { d.tape = nil }
	doc, err := p.Parse(longText())
	if err != nil || doc.Root().Get("list").Len() != 201 {
		t.Errorf("got %v, %v", doc.Root(), err)
	}
	doc.Close()
	if got := metricValues()["gqlboost.simdjson.mismatches"] - before; got != 1 {
		t.Errorf("%v mismatches were counted, want 1", got)
	}
}

func TestVerifySamples(t *testing.T) {
	if environment().kernel == portable {
		t.Skip("there is one kernel only")
	}
	n := 0
	p := NewParser(Options{Mode: Verify, Sample: 0.1, OnMismatch: func(Mismatch) { n++ }})
	p.settings.tamper = func(d *memory) { d.tape = nil }
	for range 2000 {
		doc, err := p.Parse([]byte(`[1]`))
		if err != nil {
			t.Fatal(err)
		}
		doc.Close()
	}
	if n < 100 || n > 400 { // 200 are expected; this is more than 7 standard deviations off.
		t.Errorf("%d of 2000 documents were verified, want about 200", n)
	}
}

func TestRejectDuplicates(t *testing.T) {
	strict := NewParser(Options{RejectDuplicates: true})
	many := func(last string) string {
		var b strings.Builder
		for i := range 100 {
			b.WriteString(`"n` + strings.Repeat("x", i) + `":{"a":1},`)
		}
		return "{" + b.String() + `"` + last + `":0}`
	}
	for text, message := range map[string]string{
		`{"a":1,"b":2,"A":3}`:          "",
		`[{"a":1},{"a":1}]`:            "",
		`{"a":{"a":{"a":1}}}`:          "",
		`{}`:                           "",
		`{"a":1,"b":2,"a":3}`:          `duplicate object member name "a"`,
		`[{"x":[{"a":1,"\u0061":2}]}]`: `duplicate object member name "a"`,
		`{"":1,"":2}`:                  `duplicate object member name ""`,
		many("other"):                  "",
		many("nxxx"):                   `duplicate object member name "nxxx"`,
		many(`n\u0078`):                `duplicate object member name "nx"`,
	} {
		doc, err := strict.Parse([]byte(text))
		doc.Close()
		if got := errorText(err); got != message {
			t.Errorf("%.60s: got %q, want %q", text, got, message)
		}
	}
	_, err := strict.Parse([]byte("{\"a\":1,\n \"a\":2}"))
	if e, ok := errors.AsType[*SyntaxError](err); !ok || e.Line != 2 || e.Column != 2 {
		t.Errorf("got %+v, want line 2, column 2", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
