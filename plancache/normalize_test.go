package plancache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		" , \t\r\n\ufeff# nothing":  "",
		"query  A { a , b }\n":      "query A{a b}",
		"{ a # comment }\n b }":     "{a b}",
		`{ f(a: "x , # y"  b:"") }`: `{f(a:"x , # y"b:"")}`,
		`{ f(a: """ x , "y" \""" # """ , b: 1) }`: `{f(a:""" x , "y" \""" # """b:1)}`,
		`[ "a" "b" ""  "c" ]`:                     `["a" "b" "" "c"]`,
		"{ f(a: [1 -2 3.5e-7 , 4]) }":             "{f(a:[1 -2 3.5e-7 4])}",
		"{ ... on A { b } ...C ... @d(e:$f) }":    "{...on A{b}...C...@d(e:$f)}",
		"fragment  C on  D { e : f @g }":          "fragment C on D{e:f@g}",
		// Where parsers may differ, or refuse the text, it stays as it is.
		`{ a "unterminated , # }`:                     `{ a "unterminated , # }`,
		"{ a \"x\ny\" , }":                            "{ a \"x\ny\" , }",
		"é  ü a":                                      "é  ü a",
		`{ a(b: """He "hi"""", c) }`:                  `{ a(b: """He "hi"""", c) }`,
		`{ a(b: "\q", c) }`:                           `{ a(b: "\q", c) }`,
		"{ a(b: 1a, c: 01, d: 1.) }":                  "{ a(b: 1a, c: 01, d: 1.) }",
		"{ a # b\x00 c\n }":                           "{ a # b\x00 c\n }",
		"{ a(b: 1 ... c) }":                           "{a(b:1 ...c)}",
		"type A implements B & C { d(e: F = 1): G! }": "type A implements B&C{d(e:F=1):G!}",
	} {
		if got := Normalize(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// A block string is the one that each parser reads, so two queries never have one key.
func TestNormalizeKeepsClientsApart(t *testing.T) {
	texts := []string{
		`{echo(j:{a:"""He said "hi"""", b:"1,2"})}`, `{echo(j:{a:"""He said "hi"""", b:"1 2"})}`,
		`{a(b:"""x""""y"""z""")}`, `{a(b:"""x"""  "y" ""  "z""")}`,
		`{a(b:"x" "y")}`, `{a(b:"x y")}`, `{a(b:"" "y")}`, `{a(b:"""y")}`,
	}
	seen := map[string]string{}
	for _, text := range texts {
		n := Normalize(text)
		if other, ok := seen[n]; ok {
			t.Errorf("%s and %s are both %s", text, other, n)
		}
		seen[n] = text
	}
}

func TestRelocate(t *testing.T) {
	const sent = "query Q {\r\n  user(id: \"é,ü\") { # who\r\n    name age\n  }\n}"
	for _, c := range []struct {
		from         string
		line, column int // of a word in from
		want         string
	}{
		{`query Q{user(id:"é,ü"){name age}}`, 1, 24, "name age"},
		{`query Q{user(id:"é,ü"){name age}}`, 1, 29, "age"},
		{`query Q{user(id:"é,ü"){name age}}`, 1, 31, "e\n"},
		{`query Q{user(id:"é,ü"){name age}}`, 1, 9, "user"},
		{"query\n# e\nQ{user(id:\n\"é,ü\"){name age}}", 4, 8, "name"},
		{"query\rQ{user(id:\n\"é,ü\"){name age}}", 3, 3, ",ü"},
	} {
		line, column, ok := Relocate(c.from, sent, c.line, c.column)
		at := offset(sent, line, column)
		if !ok || at < 0 || !strings.HasPrefix(sent[at:], c.want) {
			t.Errorf("%q at %d:%d is at %d:%d, %v; want %q", c.from, c.line, c.column, line, column, ok, c.want)
		}
	}
	for _, c := range []struct{ from, to string }{{"{a}", "{b}"}, {"{a é}", "{a  é}"}} {
		if line, column, ok := Relocate(c.from, c.to, 1, 2); ok || line != 1 || column != 2 {
			t.Errorf("%q and %q: %d:%d", c.from, c.to, line, column)
		}
	}
	const from = "{ a(b:\r\n \"é\") }\n"
	for place, want := range map[[2]int]bool{
		{0, 1}: false, {1, 0}: false, {9, 1}: false, {1, 7}: true, {1, 8}: false, {1, 100}: false, {2, 1}: true,
		{2, 8}: true, {2, 9}: false, {2, 100}: false, {3, 1}: true, {3, 2}: false, {4, 1}: false,
	} {
		for _, to := range []string{from, `{a(b:"é")}`, "{ a(b: \"é\")\r}"} {
			if line, column, ok := Relocate(from, to, place[0], place[1]); ok != want {
				t.Errorf("%v in %q is at %d:%d, %v", place, to, line, column, ok)
			}
		}
	}
}

// So has that of a third client, which has come first again.
func TestErrorOfAThirdText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[string]{Normalize: true})
		defer c.Close()
		load := func(text string) error {
			_, err := c.Load(t.Context(), Key{Query: text}, func(context.Context) (string, error) {
				time.Sleep(time.Second)
				return "", errors.New(text)
			})
			return err
		}
		for range 100 { // It is chance which comes first.
			var all sync.WaitGroup
			all.Go(func() { _ = load("{ a }"); _ = load("{  a }") })
			synctest.Wait()
			all.Go(func() {
				if err := load("{a}"); err == nil || err.Error() != "{a}" {
					t.Errorf("got the error of %v", err)
				}
			})
			all.Wait()
		}
	})
}

// An error of another client's text has other positions: each text has its own.
func TestErrorsFitTheText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := New(Options[string]{Normalize: true, ErrorTTL: time.Minute})
		defer c.Close()
		var builds atomic.Int64
		load := func(text string) {
			_, err := c.Load(t.Context(), Key{Query: text}, func(context.Context) (string, error) {
				builds.Add(1)
				time.Sleep(time.Second)
				return "", fmt.Errorf("at %d", strings.Index(text, "bad"))
			})
			if want := fmt.Sprintf("at %d", strings.Index(text, "bad")); err == nil || err.Error() != want {
				t.Errorf("%q: %v, want %s", text, err, want)
			}
		}
		texts := []string{"{bad}", "{ bad }", "{   bad }"}
		for range 3 {
			for _, text := range texts {
				go load(text)
			}
			time.Sleep(10 * time.Second)
		}
		if n := builds.Load(); n != 3 {
			t.Errorf("%d builds", n)
		}
		// The plan that one of them has after all is that of all.
		c.Add(t.Context(), Key{Query: texts[1]}, "plan")
		for _, text := range texts {
			if _, ok := c.Get(t.Context(), Key{Query: text}); !ok {
				t.Errorf("%q has no plan", text)
			}
		}
	})
}

// An error that is kept hides no plan, whether or not the client's text is the normal one: neither
// one that was added, nor a stale one whose build fails.
func TestErrorsHideNoPlan(t *testing.T) {
	bad := func(context.Context) (string, error) { return "", errors.New("bad") }
	for _, text := range []string{"{a}", "{ a }"} {
		synctest.Test(t, func(t *testing.T) {
			c, err := New(Options[string]{
				Normalize: true, ErrorTTL: time.Minute, TTL: time.Minute, Jitter: -1, StaleFor: time.Hour,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			key := Key{Query: text}
			if _, err := c.Load(t.Context(), key, bad); err == nil {
				t.Errorf("%q: no error", text)
			}
			c.Add(t.Context(), key, "plan")
			if _, ok := c.Get(t.Context(), key); !ok {
				t.Errorf("%q: just added, and not found", text)
			}
			time.Sleep(90 * time.Second)
			for range 2 { // The build for the first one fails.
				if got, err := c.Load(t.Context(), key, bad); got != "plan" {
					t.Errorf("%q: %v, and a stale plan is good for an hour", text, err)
				}
				synctest.Wait()
			}
			for _, e := range c.current.Load().entries() {
				if e.err != nil {
					t.Errorf("%q: an error is kept beside the plan", text)
				}
			}
		})
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
	c := newTest(t, Options[int]{Normalize: true})
	c.Add(t.Context(), Key{Query: "{ a b }"}, 1)
	for _, q := range []string{"{ a b }", "{a b}", "{a,b} # x"} {
		if got, ok := c.Get(t.Context(), Key{Query: q}); !ok || got != 1 {
			t.Errorf("%q: %d, %v", q, got, ok)
		}
	}
	if _, ok := c.Get(t.Context(), Key{Query: "{ab}"}); ok {
		t.Error("another query has the plan")
	}
	if err := c.Delete(t.Context(), Key{Query: "{ a, b }"}); err != nil || c.Len() != 0 {
		t.Errorf("%v, %d are left", err, c.Len())
	}
}
