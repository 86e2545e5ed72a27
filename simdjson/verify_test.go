package simdjson

import (
	"bytes"
	"strings"
	"testing"
)

func longText() []byte { return []byte(`{"list":[` + strings.Repeat(`{"a":"b"},`, 200) + `1]}`) }

func TestParserKernel(t *testing.T) {
	for name, want := range map[string]kernel{"": fastest(), "nonsense": fastest(), "portable": portable, "avx2": limitOf("avx2"), "avx512": fastest()} {
		want = min(want, chosen())
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

func TestVerify(t *testing.T) {
	if chosen() == portable {
		t.Skip("there is one kernel only")
	}
	text := longText()
	bad := append(bytes.Clone(text), '}')
	cases := []struct {
		name     string
		text     []byte
		tamper   func(*Document)
		mismatch string
	}{
		{"they agree", text, nil, ""},
		{"they agree that it is bad", bad, nil, ""},
		{"another value", text, func(d *Document) { d.tape[3] = makeWord(tagNull, 0, 4) }, "accepted"},
		{"a value less", text, func(d *Document) { d.tape = d.tape[:len(d.tape)-1] }, "accepted"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			p := NewParser(Options{Mode: Verify, Sample: 1, CopyInput: true, OnMismatch: func(m Mismatch) {
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

func TestVerifySamples(t *testing.T) {
	if chosen() == portable {
		t.Skip("there is one kernel only")
	}
	n := 0
	p := NewParser(Options{Mode: Verify, Sample: 0.1, OnMismatch: func(Mismatch) { n++ }})
	p.settings.tamper = func(d *Document) { d.tape = nil }
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
	if e, ok := err.(*SyntaxError); !ok || e.Line != 2 || e.Column != 2 {
		t.Errorf("got %+v, want line 2, column 2", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
