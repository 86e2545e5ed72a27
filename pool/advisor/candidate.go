package advisor

import (
	"cmp"
	"slices"
	"strings"
)

// candidate is an index that may help.
type candidate struct {
	table  *table
	others []*table // that are parts of the same partitioned table
	method string
	keys   []string // as CREATE INDEX has them
	where  string
	before string // what must be run before
}

// definition is the index of one table. Of a part of a partitioned table it is one that
// can be tried, but is none to advise.
func (c *candidate) definition(t *table) string {
	return "CREATE INDEX ON " + t.String() + c.keyList()
}

// action is what is to be run.
func (c *candidate) action() string {
	whole, how := c.table.whole(), ""
	if whole == c.table { // It is not for partitioned tables.
		how = "CONCURRENTLY "
	}
	return c.before + "CREATE INDEX " + how + "ON " + whole.String() + c.keyList() + ";"
}

func (c *candidate) keyList() string {
	var b strings.Builder
	if c.method != "btree" {
		b.WriteString(" USING " + c.method)
	}
	b.WriteString(" (" + strings.Join(c.keys, ", ") + ")")
	if c.where != "" {
		b.WriteString(" WHERE " + c.where)
	}
	return b.String()
}

const maxKeys = 4

// candidates returns indexes that could serve a scan, the narrowest first. Columns that
// one value is wanted of come first, those with the most different values before the
// others, then what the rows are ordered by or what a range is wanted of.
func (a *analysis) candidates(s *scanned, literal func(clause) bool) (list []*candidate) {
	var filters, joins, ranges []clause
	var partial []string
	for _, c := range s.clauses {
		switch {
		case a.indexable(s, c) == "":
		case c.isEqual() && len(c.right.aliases) > 0:
			joins = append(joins, c)
		case c.isEqual() && literal(c):
			partial = append(partial, c.local())
			filters = append(filters, c)
		case c.isEqual():
			filters = append(filters, c)
		case c.isRange() || c.beginning():
			ranges = append(ranges, c)
		}
	}
	bySelectivity := func(x, y clause) int { return cmp.Compare(s.distinct(y), s.distinct(x)) }
	slices.SortStableFunc(filters, bySelectivity)
	both := slices.Concat(joins, filters)
	slices.SortStableFunc(both, bySelectivity)
	add := func(where string, equal []clause, rest ...string) {
		var keys []string
		for _, c := range equal[:min(len(equal), maxKeys)] {
			if k := a.indexable(s, c); !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
		for _, k := range rest {
			if !slices.Contains(keys, strings.Fields(k)[0]) && !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
		c := &candidate{table: s.table, method: "btree", keys: keys, where: where}
		if len(keys) > 0 && !a.exists(c) && !slices.ContainsFunc(list, func(o *candidate) bool { return o.keyList() == c.keyList() }) {
			list = append(list, c)
		}
	}
	order := s.sortedBy()
	for _, equal := range [][]clause{joins, filters, both, nil} {
		add("", equal)
		for _, r := range ranges {
			add("", equal, a.indexable(s, r))
		}
		if len(order) > 0 {
			add("", equal, order...)
		}
	}
	// Rows that the program always leaves out need not be in the index.
	if where := strings.Join(partial, " AND "); where != "" {
		for _, equal := range [][]clause{joins, filters, both} {
			equal = slices.DeleteFunc(slices.Clone(equal), literal)
			add(where, equal)
			for _, r := range ranges {
				add(where, equal, a.indexable(s, r))
			}
			if len(order) > 0 {
				add(where, equal, order...)
			}
		}
	}
	slices.SortStableFunc(list, func(x, y *candidate) int { return cmp.Compare(len(x.keys), len(y.keys)) })
	return list
}

// local is the clause as an index's predicate has it.
func (c clause) local() string {
	left := c.left.local()
	switch {
	case c.operator == "is true":
		return left
	case strings.HasPrefix(c.operator, "is "):
		return left + " " + strings.ToUpper(c.operator)
	}
	return left + " " + c.operator + " " + c.right.text
}

// indexable returns a clause's left side as a key of a B-tree, "" if it cannot be one.
func (a *analysis) indexable(s *scanned, c clause) string {
	o := c.left
	if o.column.name == "" {
		if len(o.columns) == 0 || strings.Contains(o.text, "SubPlan") || strings.HasPrefix(o.text, "ROW") {
			return ""
		}
		return "(" + o.local() + ")"
	}
	col := s.table.columns[o.column.name]
	if col == nil || col.kind == "json" || o.cast != "" && !col.isText() {
		return ""
	}
	if _, isPattern := c.pattern(); isPattern {
		if col.kind != "text" && !strings.HasPrefix(col.kind, "character varying") {
			return ""
		}
		return quote(col.name) + " text_pattern_ops"
	}
	return quote(col.name)
}

// distinct is how many values the left side has.
func (s *scanned) distinct(c clause) float64 {
	if col := s.table.columns[c.left.column.name]; col != nil && !strings.HasPrefix(c.operator, "is ") {
		return col.distinct
	}
	return 0
}

// sortedBy returns the keys of the sort, nil if an index cannot have them. An index can be
// read backwards, so only keys in different directions need one.
func (s *scanned) sortedBy() (keys []string) {
	same := !slices.ContainsFunc(s.sort, func(k sortKey) bool { return k.descending != s.sort[0].descending || k.nulls != s.sort[0].nulls })
	for _, k := range s.sort {
		text := "(" + k.local() + ")"
		if k.column.name != "" {
			text = quote(k.column.name)
		}
		if k.descending && (!same || k.nulls != "") {
			text += " DESC"
		}
		if k.nulls != "" {
			text += " NULLS " + k.nulls
		}
		keys = append(keys, text)
	}
	return keys
}

// lasting are functions that always return the same for the same arguments.
var lasting = []string{"lower", "upper", "md5", "length", "abs", "btrim", "replace", "substr", "left", "right", "to_tsvector"}

// immutable tells whether the keys are surely what Postgres takes for an index: columns,
// and expressions of what depends on no setting. hypopg knows better.
func (c *candidate) immutable() bool {
	for _, key := range c.keys {
		tokens := tokenize(key)
		for i, t := range tokens {
			called := isName(t) && i+1 < len(tokens) && tokens[i+1] == "("
			cast := t == "::" && i > 0 && tokens[i-1][0] != '\''
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

// inverted returns the index for a clause that no B-tree serves: what is contained in
// documents, arrays and texts. ok is false if there is none, or no need.
func (a *analysis) inverted(s *scanned, c clause) (_ *candidate, ok bool) {
	col := s.table.columns[c.left.column.name]
	key, before := c.left.local(), ""
	if c.left.column.name == "" {
		key = "(" + key + ")"
	} else {
		key = quote(c.left.column.name)
	}
	_, isPattern := c.pattern()
	switch {
	case isPattern && !c.beginning():
		key += " gin_trgm_ops"
		switch {
		case a.server.extensions["pg_trgm"] != "":
		case a.server.available["pg_trgm"]:
			before = "CREATE EXTENSION pg_trgm; "
		default:
			return nil, false
		}
	case c.operator == "@>" && col != nil && col.kind == "jsonb" || c.operator == "@?" || c.operator == "@@" && col != nil && col.kind == "jsonb":
		key += " jsonb_path_ops"
	case c.operator == "?" || c.operator == "?|" || c.operator == "?&":
	case (c.operator == "@>" || c.operator == "&&" || c.operator == "<@") && col != nil && strings.HasSuffix(col.kind, "[]"):
	case c.operator == "@@" && (col != nil && col.kind == "tsvector" || strings.Contains(key, "to_tsvector(")):
	default:
		return nil, false
	}
	found := &candidate{table: s.table, method: "gin", keys: []string{key}, before: before}
	return found, !a.exists(found)
}
