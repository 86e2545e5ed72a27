package advisor

import (
	"iter"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The conditions of a plan are expressions that Postgres has written itself, with all
// parentheses and with the table's alias before each column. So they need no parser of
// SQL: it is enough to take them apart where their operators are.

// clause is one condition of several that must all hold: left operator right.
type clause struct {
	operator    string // "=", "<", "~~", "@>", "is null" and so on; "" for what is something else
	left, right operand
	text        string
}

// operand is one side of a condition.
type operand struct {
	text    string
	column  attribute // if it is a column, maybe with casts
	cast    string    // to what the column is cast
	aliases []string
	columns []attribute // all that are in it
	literal bool        // it is a constant
}

// attribute is a column of an alias.
type attribute struct{ alias, name string }

// alternatives returns the parts of a clause that OR combines, each as the clauses that must
// all hold; nil if there is no OR.
func alternatives(condition string) (arms [][]clause) {
	parts := split(unwrap(tokenize(condition)), "OR")
	if len(parts) < 2 {
		return nil
	}
	for _, part := range parts {
		arms = append(arms, clauses(join(part)))
	}
	return arms
}

// local is the clause as an index's predicate has it.
func (c clause) local() string { return toOperand(tokenize(c.text)).local() }

// clauses takes a condition apart. What is combined with OR or NOT is one clause without
// an operator, but for NOT of a column.
func clauses(condition string) []clause {
	if condition == "" {
		return nil
	}
	tokens := unwrap(tokenize(condition))
	var list []clause
	for _, part := range split(tokens, "AND") {
		part = unwrap(part)
		if len(split(part, "AND")) > 1 { // a nested conjunction
			list = append(list, clauses(join(part))...)
			continue
		}
		list = append(list, toClause(part))
	}
	return list
}

func toClause(tokens []string) clause {
	c := clause{text: join(tokens)}
	if len(split(tokens, "OR")) > 1 {
		c.left = toOperand(tokens)
		return c
	}
	if len(tokens) > 0 && tokens[0] == "NOT" {
		if c.left = toOperand(tokens[1:]); c.left.column.name != "" { // a column of type boolean
			c.operator = "not"
		} else {
			c.left = toOperand(tokens)
		}
		return c
	}
	for i, t := range outside(tokens) {
		switch {
		case i == 0:
		case t == "IS":
			c.left = toOperand(tokens[:i])
			switch rest := join(tokens[i+1:]); rest {
			case "NULL", "NOT NULL", "TRUE", "FALSE", "NOT TRUE", "NOT FALSE":
				c.operator = "is " + strings.ToLower(rest)
			}
			return c
		case isOperator(t):
			c.left, c.operator = toOperand(tokens[:i]), t
			rest := tokens[i+1:]
			if len(rest) > 0 && (rest[0] == "ANY" || rest[0] == "ALL") {
				c.operator += " " + strings.ToLower(rest[0])
				rest = rest[1:]
			}
			c.right = toOperand(rest)
			return c
		}
	}
	c.left = toOperand(tokens)
	if c.left.column.name != "" { // a column of type boolean
		c.operator = "is true"
	}
	return c
}

// commuted are operators with their sides changed; "has" is of arrays with an element.
var commuted = map[string]string{
	"=":     "=",
	"<":     ">",
	">":     "<",
	"<=":    ">=",
	">=":    "<=",
	"<>":    "<>",
	"@>":    "<@",
	"<@":    "@>",
	"&&":    "&&",
	"@@":    "@@",
	"= any": "has",
	"<<":    ">>",
	">>":    "<<",
	"<<=":   ">>=",
	">>=":   "<<=",
}

// of returns the clause as one about an alias, with the alias on the left and nothing of
// it on the right.
func (c clause) of(alias string) (clause, bool) {
	left, right := slices.Contains(c.left.aliases, alias), slices.Contains(c.right.aliases, alias)
	switch {
	case c.operator == "" || left == right:
		return c, false
	case left:
		return c, len(c.left.aliases) == 1
	}
	operator, ok := commuted[c.operator]
	c.left, c.right, c.operator = c.right, c.left, operator
	return c, ok && len(c.left.aliases) == 1
}

func toOperand(tokens []string) operand {
	o := operand{}
	for i := 0; i+2 < len(tokens); i++ {
		if isName(tokens[i]) && tokens[i+1] == "." && isName(tokens[i+2]) &&
			(i+3 == len(tokens) || tokens[i+3] != "(") &&
			(i == 0 || tokens[i-1] != "::") {
			c := attribute{unquote(tokens[i]), unquote(tokens[i+2])}
			o.columns = append(o.columns, c)
			if !slices.Contains(o.aliases, c.alias) {
				o.aliases = append(o.aliases, c.alias)
			}
		}
	}
	tokens = unwrap(tokens)
	o.text = join(tokens)
	for { // casts
		last := -1
		for i, t := range outside(tokens) {
			if t == "::" {
				last = i
			}
		}
		if last <= 0 || hasOperator(tokens[:last]) || hasOperator(tokens[last+1:]) {
			break // It is the cast of a part.
		}
		if o.cast == "" {
			o.cast = join(tokens[last+1:])
		}
		tokens = unwrap(tokens[:last])
	}
	switch {
	case len(tokens) == 3 && len(o.columns) == 1 && tokens[1] == ".":
		o.column = o.columns[0]
	case len(tokens) == 1 && len(o.columns) == 0:
		t := tokens[0]
		o.literal = t[0] == '\'' || t[0] == 'E' && strings.HasSuffix(t, "'") || '0' <= t[0] && t[0] <= '9' ||
			t == "true" ||
			t == "false"
	}
	return o
}

// local is an operand's text without the alias: as an index would have it.
func (o operand) local() string {
	tokens := tokenize(o.text)
	var kept []string
	for i := 0; i < len(tokens); i++ {
		if i+2 < len(tokens) && tokens[i+1] == "." &&
			slices.Contains(o.columns, attribute{unquote(tokens[i]), unquote(tokens[i+2])}) {
			i++
			continue
		}
		kept = append(kept, tokens[i])
	}
	return join(kept)
}

// tokenize splits an expression into names, constants, operators and punctuation.
func tokenize(s string) (tokens []string) {
	for i := 0; i < len(s); {
		start := i
		switch c := s[i]; {
		case c == ' ' || c == '\n' || c == '\t':
			i++
			continue
		case c == '\'' || c == '"' || c == 'E' && i+1 < len(s) && s[i+1] == '\'':
			escapes := c == 'E'
			if escapes {
				i++
			}
			quote := s[i]
			for i++; i < len(s); i++ {
				if escapes && s[i] == '\\' {
					i++
				} else if s[i] == quote {
					if i+1 < len(s) && s[i+1] == quote {
						i++
						continue
					}
					break
				}
			}
			i = min(i+1, len(s))
		case strings.HasPrefix(s[i:], "::"):
			i += 2
		case strings.IndexByte("()[],.;:", c) >= 0:
			i++
		case strings.IndexByte(operators, c) >= 0:
			for i < len(s) && strings.IndexByte(operators, s[i]) >= 0 {
				i++
			}
		case '0' <= c && c <= '9':
			for i < len(s) && ('0' <= s[i] && s[i] <= '9' || s[i] == '.' || s[i] == 'e') {
				i++
			}
		default:
			for i < len(s) && strings.IndexByte(" \n\t'\"()[],.;:"+operators, s[i]) < 0 {
				i++
			}
		}
		tokens = append(tokens, s[start:i])
	}
	return tokens
}

const operators = "+-*/<>=~!@#%^&|`?"

// hasOperator reports whether there is an operator outside of parentheses.
func hasOperator(tokens []string) bool {
	for _, t := range outside(tokens) {
		if isOperator(t) {
			return true
		}
	}
	return false
}

func isOperator(t string) bool { return t != "" && strings.IndexByte(operators, t[0]) >= 0 }

func isName(t string) bool {
	if t == "" {
		return false
	}
	c := t[0]
	return c == '"' || c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' && t != strings.ToUpper(t) || c >= 0x80
}

func unquote(name string) string {
	if strings.HasPrefix(name, `"`) && strings.HasSuffix(name, `"`) && len(name) > 1 {
		return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	return name
}

func inQuotes(name string) string { return pgx.Identifier{name}.Sanitize() }

// join writes tokens as an expression.
func join(tokens []string) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 {
			p := tokens[i-1]
			glued := p == "(" || p == "[" || p == "." || p == "::" || t == ")" || t == "]" || t == "." || t == "::" ||
				t == "," ||
				t == "[" ||
				t == "(" && (isName(p) || p == "ANY" || p == "ALL")
			if !glued || p == "," {
				b.WriteByte(' ')
			}
		}
		b.WriteString(t)
	}
	return b.String()
}

// outside yields the tokens that are in no parentheses.
func outside(tokens []string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		depth := 0
		for i, t := range tokens {
			switch t {
			case "(", "[":
				depth++
			case ")", "]":
				depth--
			default:
				if depth == 0 && !yield(i, t) {
					return
				}
			}
		}
	}
}

// unwrap takes off parentheses around the whole.
func unwrap(tokens []string) []string {
	for len(tokens) >= 2 && tokens[0] == "(" {
		depth := 0
		for i, t := range tokens {
			switch t {
			case "(":
				depth++
			case ")":
				depth--
			}
			if depth == 0 {
				if i < len(tokens)-1 {
					return tokens
				}
				break
			}
		}
		tokens = tokens[1 : len(tokens)-1]
	}
	return tokens
}

// split splits at a word outside of parentheses.
func split(tokens []string, word string) (parts [][]string) {
	start := 0
	for i, t := range outside(tokens) {
		if t == word {
			parts = append(parts, tokens[start:i])
			start = i + 1
		}
	}
	return append(parts, tokens[start:])
}
