package plancache

import (
	"slices"
	"testing"
)

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		" , \t\r\n\ufeff# nothing":  "",
		"query  A { a , b }\n":      "query A{a b}",
		"{ a # comment }\n b }":     "{a b}",
		`{ f(a: "x , # y"  b:"") }`: `{f(a:"x , # y"b:"")}`,
		`{ f(a: """ x , "y" \""" # """ , b: 1) }`:     `{f(a:""" x , "y" \""" # """b:1)}`,
		`[ "a" "b" ""  "c" ]`:                         `["a" "b" "" "c"]`,
		"{ f(a: [1 -2 3.5e-7 , 4]) }":                 "{f(a:[1 -2 3.5e-7 4])}",
		"{ ... on A { b } ...C ... @d(e:$f) }":        "{...on A{b}...C...@d(e:$f)}",
		"fragment  C on  D { e : f @g }":              "fragment C on D{e:f@g}",
		`{ a "unterminated , # }`:                     `{a "unterminated , # }`,
		"{ a \"x\ny\" , }":                            "{a \"x\ny\" , }",
		"é  ü a":                                      "é ü a",
		"type A implements B & C { d(e: F = 1): G! }": "type A implements B&C{d(e:F=1):G!}",
	} {
		if got := Normalize(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestSignature(t *testing.T) {
	in := `query A { f(a: "x" b: 1, c: -2.5e3 d: """y""" e: [1 2 "z"], g: ENUM, h: true) }`
	if got, want := Signature(in), `query A{f(a:""b:0 c:0 d:""e:[0 0""]g:ENUM h:true)}`; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

type lexeme struct {
	token string
	kind  kind
}

func lex(s string) (list []lexeme) {
	for {
		token, kind, rest := next(s)
		if kind == end {
			return list
		}
		list, s = append(list, lexeme{token, kind}), rest
	}
}

// Whatever the text, its tokens stay the same, in the same order, and another time
// changes nothing. So two queries with the same text after it have the same meaning.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"{ a , b }", `{ f(a: "x" "y" """z""" "") }`, `"" ""`, `""""`, "1 .. 2...3", "a\ufeffb", "é\ufeff", "-", `\`, "1 e5 1e 5", "\"\\\"\" \"", "# x\r{ a }", `"""\""""""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := Normalize(s)
		if a, b := lex(s), lex(n); !slices.Equal(a, b) {
			t.Errorf("%q became %q: %v, %v", s, n, a, b)
		}
		if again := Normalize(n); again != n {
			t.Errorf("%q, then %q", n, again)
		}
		Signature(s)
	})
}

func TestNormalizedKeys(t *testing.T) {
	c := newTest(t, Config[int]{Normalize: true})
	c.Add(t.Context(), "{ a b }", 1)
	for _, q := range []string{"{ a b }", "{a b}", "{a,b} # x"} {
		if got, ok := c.Get(t.Context(), q); !ok || got != 1 {
			t.Errorf("%q: %d, %v", q, got, ok)
		}
	}
	if _, ok := c.Get(t.Context(), "{ab}"); ok {
		t.Error("another query has the plan")
	}
	if err := c.Delete(t.Context(), Key{Query: "{ a, b }"}); err != nil || c.Len() != 0 {
		t.Errorf("%v, %d are left", err, c.Len())
	}
}
