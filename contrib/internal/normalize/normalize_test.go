package normalize

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	gqllexer "github.com/graphql-go/graphql/language/lexer"
	"github.com/graphql-go/graphql/language/source"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/gqlboost/gqlboost/plancache"
)

// documents is how many documents are generated.
func documents() int {
	if os.Getenv("GQLBOOST_LONG") != "" {
		return 1_000_000
	}
	return 10_000
}

// readers are the lexers of hosts. They return the tokens of a text, or that it is none.
var readers = map[string]func(string) ([]token, bool){"gqlparser": gqlparser, "graphql-go": graphqlgo}

type token struct {
	kind  int
	value string
}

func gqlparser(text string) (list []token, ok bool) {
	for l := lexer.New(&ast.Source{Input: text}); ; {
		switch t, err := l.ReadToken(); {
		case err != nil:
			return nil, false
		case t.Kind == lexer.EOF:
			return list, true
		case t.Kind != lexer.Comment:
			list = append(list, token{int(t.Kind), t.Value})
		}
	}
}

func graphqlgo(text string) (list []token, ok bool) {
	defer func() {
		if recover() != nil {
			list, ok = nil, false
		}
	}()
	next := gqllexer.Lex(source.NewSource(&source.Source{Body: []byte(text)}))
	for {
		switch t, err := next(0); {
		case err != nil:
			return nil, false
		case t.Kind == gqllexer.EOF:
			return list, true
		default:
			list = append(list, token{int(t.Kind), t.Value})
		}
	}
}

// Each parser reads the same tokens in a text and in what Normalize makes of it. So two
// texts that have one key have one meaning. What a parser refuses stays as it is.
func TestNormalizeKeepsTheMeaning(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	changed, valid, kept := 0, 0, 0
	for range documents() {
		g := generator{random: random, spoiled: random.IntN(3) == 0}
		g.document()
		text := g.text()
		check(t, text)
		other := g.text()
		if g.spoiled {
			continue
		}
		// Another layout is the same query.
		if plancache.Normalize(text) != plancache.Normalize(other) {
			t.Fatalf("two keys for one query:\n%q\n%q", text, other)
		}
		if plancache.Normalize(text) != text {
			changed++
		}
		if _, err := parser.ParseQuery(&ast.Source{Input: text}); err == nil {
			valid++
		}
		// One literal changed is another query.
		if g.change() {
			kept++
			if third := g.text(); plancache.Normalize(text) == plancache.Normalize(third) {
				t.Fatalf("one key for two queries:\n%q\n%q", text, third)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d changed, %d valid, %d pairs", changed, valid, kept)
	if n := documents(); changed < n/2 || valid < n/2 || kept < n/3 {
		t.Errorf("of %d documents %d changed, %d were valid, %d had a literal to change", n, changed, valid, kept)
	}
}

func check(t *testing.T, text string) {
	t.Helper()
	normal := plancache.Normalize(text)
	if again := plancache.Normalize(normal); again != normal {
		t.Fatalf("%q became %q, and then %q", text, normal, again)
	}
	for name, read := range readers {
		want, ok := read(text)
		got, still := read(normal)
		if ok != still || !slices.Equal(want, got) {
			t.Fatalf("%s: %q became %q:\n%v, %v\n%v, %v", name, text, normal, want, ok, got, still)
		}
	}
	if _, ok := gqlparser(text); !ok && normal != text {
		t.Fatalf("%q is no GraphQL, and became %q", text, normal)
	}
}

func FuzzNormalize(f *testing.F) {
	random := rand.New(rand.NewPCG(2, 2))
	for range 100 {
		g := generator{random: random, spoiled: true}
		g.document()
		f.Add(g.text())
	}
	f.Fuzz(check)
}

// generator makes queries of tokens, and texts of these.
type generator struct {
	random   *rand.Rand
	spoiled  bool // it also makes what is no GraphQL, or doubtful
	tokens   []string
	literals []int // which of the tokens are
}

func (g *generator) add(tokens ...string) { g.tokens = append(g.tokens, tokens...) }

func (g *generator) document() {
	for range 1 + g.random.IntN(2) {
		g.add(g.pick("query", "mutation", "subscription"), g.name())
		if g.random.IntN(2) == 0 {
			g.add("(", "$", g.name(), ":", "[", "Int", "!", "]", "=")
			g.value(1)
			g.add(")")
		}
		g.selection(0)
	}
	if g.random.IntN(3) == 0 {
		g.add("fragment", g.name(), "on", "User")
		g.selection(1)
	}
}

func (g *generator) selection(depth int) {
	g.add("{")
	for range 1 + g.random.IntN(3) {
		switch g.random.IntN(6) {
		case 0:
			g.add("...", "F"+g.name())
		case 1:
			g.add("...", "on", "User")
			if depth < 3 {
				g.selection(depth + 1)
			} else {
				g.add("{", "a", "}")
			}
		default:
			g.field(depth)
		}
	}
	g.add("}")
}

func (g *generator) field(depth int) {
	if g.random.IntN(4) == 0 {
		g.add(g.name(), ":")
	}
	g.add(g.name())
	if g.random.IntN(2) == 0 {
		g.add("(")
		for range 1 + g.random.IntN(3) {
			g.add(g.name(), ":")
			g.value(0)
		}
		g.add(")")
	}
	if g.random.IntN(5) == 0 {
		g.add("@", "include", "(", "if", ":", "$", "b", ")")
	}
	if depth < 3 && g.random.IntN(3) == 0 {
		g.selection(depth + 1)
	}
}

func (g *generator) value(depth int) {
	switch n := g.random.IntN(10); {
	case n < 2 && depth < 3:
		g.add("[")
		for range g.random.IntN(4) {
			g.value(depth + 1)
		}
		g.add("]")
	case n < 4 && depth < 3:
		g.add("{")
		for range g.random.IntN(3) {
			g.add(g.name(), ":")
			g.value(depth + 1)
		}
		g.add("}")
	default:
		g.literals = append(g.literals, len(g.tokens))
		g.add(g.literal())
	}
}

func (g *generator) literal() string {
	switch g.random.IntN(5) {
	case 0:
		return g.pick("0", "1", "-12", "305", "1.5", "-0.25e10", "3E-7", "12e+4")
	case 1:
		return g.pick("true", "false", "null", "ENUM")
	case 2:
		return g.block()
	}
	return g.quoted()
}

var (
	pieces   = []string{"a", "b c", ",", "#", " ", "\t", "...", "{", "é", "\U0001f600", "1", "'", ":", `\"`, `\\`, `\n`, `\u00e9`, "\ufeff"}
	spoilers = []string{`"`, `""`, `"""`, `""""`, `\`, `\q`, `\u12`, `\u{1F600}`, "\n", "\r", "\x00", "\xff", "#", "\x1f", "é"}
)

func (g *generator) quoted() string {
	return `"` + g.pieces(pieces) + `"`
}

func (g *generator) block() string {
	own := append([]string{`\"""`, "\n", "\r\n", "  ", `" `, `"" `, `\ `, "x"}, "a", ",", "#", "{")
	return `"""` + g.pieces(own) + `"""`
}

func (g *generator) pieces(list []string) string {
	var b strings.Builder
	for range g.random.IntN(6) {
		if g.spoiled && g.random.IntN(8) == 0 {
			list = spoilers
		}
		b.WriteString(list[g.random.IntN(len(list))])
	}
	return b.String()
}

func (g *generator) pick(list ...string) string { return list[g.random.IntN(len(list))] }

func (g *generator) name() string { return g.pick("a", "b", "_c", "name", "e1", "E", "on1", "query") }

// change changes a literal, and reports whether there was one.
func (g *generator) change() bool {
	if len(g.literals) == 0 {
		return false
	}
	at := g.literals[g.random.IntN(len(g.literals))]
	for range 20 {
		if next := g.literal(); next != g.tokens[at] {
			g.tokens[at] = next
			return true
		}
	}
	return false
}

// text writes the tokens with what GraphQL ignores between them.
func (g *generator) text() string {
	var b strings.Builder
	for i, token := range g.tokens {
		if g.spoiled && g.random.IntN(30) == 0 {
			token = g.pick("1a", "01", "1.", "-", "..", "é", "'a'", "?", "1e", ".5", "%")
		}
		last := byte(' ')
		if i > 0 {
			last = g.tokens[i-1][len(g.tokens[i-1])-1]
		}
		g.ignored(&b, i > 0 && touch(last, token[0]))
		b.WriteString(token)
	}
	g.ignored(&b, false)
	return b.String()
}

// touch reports whether two tokens would become others without something between them.
func touch(last, first byte) bool {
	word := func(c byte) bool {
		return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	return word(last) && (word(first) || first == '.') || last == '"' && first == '"'
}

func (g *generator) ignored(b *strings.Builder, needed bool) {
	n := g.random.IntN(3)
	if needed && n == 0 {
		n = 1
	}
	for range n {
		comment := "#" + g.pieces([]string{"a", `"`, "{", ",", `"""`, "\t", "#"})
		if !g.spoiled || !strings.ContainsAny(comment, "\n\r") {
			comment += "\n"
		}
		b.WriteString(g.pick(" ", "\n", "\t", ",", "\r\n", "\r", "  ", ", ", comment))
	}
}
