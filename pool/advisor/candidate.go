package advisor

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// candidate is an index that may help.
type candidate struct {
	table   *table
	alias   string   // of the scan that it is for
	others  []*table // that are parts of the same partitioned table
	method  string
	keys    []string // as CREATE INDEX has them
	include []string // columns that are in it so that the table need not be read
	where   string
	policy  []string // keys that row level security needs before the others, where plans do not show it
	before  []string // what must be run before
	after   []string // what must be run after
	rewrite string   // how the statement must be written for the index, "" if it need not change
}

// definition is the index of one table, for trying. That of a part of a partitioned
// table can be tried, but is none to advise.
func (c *candidate) definition(t *table) string {
	return "CREATE INDEX ON " + t.sql + c.form(c.keys)
}

// keyList is what stands behind the table's name when the index is made.
func (c *candidate) keyList() string {
	return c.form(slices.Concat(c.policy, c.keys))
}

func (c *candidate) form(keys []string) string {
	var b strings.Builder
	if c.method != "btree" {
		b.WriteString(" USING " + c.method)
	}
	b.WriteString(" (" + strings.Join(keys, ", ") + ")")
	if len(c.include) > 0 {
		b.WriteString(" INCLUDE (" + strings.Join(c.include, ", ") + ")")
	}
	if c.where != "" {
		b.WriteString(" WHERE " + c.where)
	}
	return b.String()
}

// id tells candidates apart.
func (c *candidate) id() string { return c.table.whole().sql + c.keyList() }

// create is what is to be run, in this order, each on its own. Postgres builds no index of
// a partitioned table concurrently: it is made of the table ONLY, then of each part, and
// these are attached.
func (a *analysis) create(c *candidate) []string {
	whole := c.table.whole()
	if whole.kind != "p" {
		return slices.Concat(c.before, []string{"CREATE INDEX CONCURRENTLY ON " + whole.sql + c.keyList()}, c.after)
	}
	list := slices.Clone(c.before)
	var of func(t *table) string
	of = func(t *table) string {
		name, qualified := a.newName(t, c)
		if t.kind != "p" {
			list = append(list, "CREATE INDEX CONCURRENTLY "+name+" ON "+t.sql+c.keyList())
			return qualified
		}
		list = append(list, "CREATE INDEX "+name+" ON ONLY "+t.sql+c.keyList())
		for _, part := range t.parts {
			list = append(list, "ALTER INDEX "+qualified+" ATTACH PARTITION "+of(part))
		}
		return qualified
	}
	of(whole)
	return append(list, c.after...)
}

const maxName = 63 // bytes of an identifier

var notInNames = strings.NewReplacer(`"`, "", "(", "", ")", "", ",", "", "'", "", "-", "", ">", "",
	"::", "_", " ", "_", ".", "_")

// newName returns a name for an index of a table that no other has, alone and qualified. Names of
// parts often differ at their ends only, which are cut off where they are long: numbers tell them
// apart.
func (a *analysis) newName(t *table, c *candidate) (name, qualified string) {
	end := "_" + notInNames.Replace(strings.Join(slices.Concat(c.policy, c.keys), "_"))
	end = strings.ToLower(shorten(end, 30)) + "_idx"
	base := shorten(t.name, maxName-len(end)-5) + end
	for n := 1; ; n++ {
		if name = base; n > 1 {
			name = fmt.Sprint(base, n)
		}
		taken := func(i *index) bool { return i.schema == t.schema && i.name == name }
		full := t.schema + "." + name
		if !slices.ContainsFunc(a.indexes, taken) && a.tables[full] == nil && !a.named[full] {
			a.named[full] = true
			schema := strings.TrimSuffix(t.sql, quotedAs(t.sql, t.name))
			return a.quote(name), schema + a.quote(name)
		}
	}
}

// quotedAs is the end of a qualified name, which is the name alone.
func quotedAs(qualified, name string) string {
	if quoted := inQuotes(name); strings.HasSuffix(qualified, quoted) {
		return quoted
	}
	return name
}

// shorten cuts a text to that many bytes, between characters.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// lasting are functions that always return the same for the same arguments.
var lasting = []string{
	"lower",
	"upper",
	"md5",
	"length",
	"abs",
	"btrim",
	"replace",
	"substr",
	"left",
	"right",
	"to_tsvector",
}

// ofText reports whether the tokens end with a column of a text, which any cast to a text
// leaves as it is.
func (c *candidate) ofText(tokens []string) bool {
	n := len(tokens)
	if n >= 3 && tokens[n-1] == ")" && tokens[n-3] == "(" {
		n--
	}
	col := c.table.columns[unquote(tokens[n-1])]
	return col != nil && col.isText()
}

// lastingCasts are types to which numbers and texts are always cast in the same way.
var lastingCasts = []string{"smallint", "integer", "bigint", "numeric", "real", "double", "boolean", "uuid"}

// immutable reports whether the keys are surely what Postgres takes for an index: columns,
// and expressions of what depends on no setting. hypopg knows better.
func (c *candidate) immutable() bool {
	for _, key := range append(slices.Clone(c.keys), c.where) {
		tokens := tokenize(key)
		for i, t := range tokens {
			called := isName(t) && i+1 < len(tokens) && tokens[i+1] == "("
			cast := t == "::" && i > 0 && tokens[i-1][0] != '\'' &&
				(i+1 == len(tokens) || !slices.Contains(lastingCasts, tokens[i+1])) && !c.ofText(tokens[:i])
			if called && !slices.Contains(lasting, t) || cast {
				return false
			}
			if t == "to_tsvector" && !strings.Contains(key, "::regconfig") {
				return false
			}
		}
	}
	return true
}
