package advisor

import (
	"slices"
	"strings"
	"unicode"
)

// inverted returns the index for a clause that no B-tree serves: what is contained in
// documents, arrays and texts. ok is false if there is none, or no need.
func (a *analysis) inverted(s *scanned, c clause) (_ *candidate, ok bool) {
	col := s.table.columns[c.left.column.name]
	found := &candidate{table: s.table, method: "gin"}
	key, qualifier, class := "("+c.left.local()+")", "", ""
	if col != nil {
		key = col.sql
	}
	if class := s.spatial(c); class != "" {
		found.method, found.keys = "gist", []string{strings.TrimSpace(key + class)}
		return found, !a.exists(found)
	}
	array := col != nil && strings.HasSuffix(col.kind, "[]")
	document := col != nil && col.kind == "jsonb"
	_, isPattern := c.pattern()
	switch {
	case isPattern && !c.beginning():
		if a.mayBePrefix(s, c) || !c.hasTrigram() {
			return nil, false
		}
		class = "gin_trgm_ops"
		switch schema := a.server.extensions["pg_trgm"]; {
		case schema == `"public"`:
		case schema != "": // It may not be in the search path of the index's owner.
			qualifier = schema + "."
		case a.server.available["pg_trgm"]:
			found.before = []string{"CREATE EXTENSION IF NOT EXISTS pg_trgm"}
		default:
			return nil, false
		}
	case c.operator == "@>" && document || c.operator == "@?" || c.operator == "@@" && document:
		class = "jsonb_path_ops"
	case c.operator == "?" || c.operator == "?|" || c.operator == "?&":
	case (c.operator == "@>" || c.operator == "&&" || c.operator == "<@") && array:
	case c.operator == "has" && array && !col.isCast(c.left):
		found.rewrite = asContained(key)
	case c.operator == "@@" && (col != nil && col.kind == "tsvector" || strings.Contains(key, "to_tsvector(")):
	default:
		return nil, false
	}
	found.keys = []string{strings.TrimSpace(key + " " + qualifier + class)}
	return found, !a.servesInverted(found, key, class)
}

// hasTrigram reports whether a pattern has three characters in a row, as far as it is known:
// what an index of trigrams finds texts by.
func (c clause) hasTrigram() bool {
	pattern, _ := c.pattern()
	run := 0
	for _, r := range pattern {
		if run++; !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			run = 0
		}
		if run == 3 {
			return true
		}
	}
	return pattern == ""
}

// mayBePrefix reports whether a pattern is not known, and an index is used that finds texts by
// their beginnings.
func (a *analysis) mayBePrefix(s *scanned, c clause) bool {
	col := s.table.columns[c.left.column.name]
	if pattern, _ := c.pattern(); pattern != "" || c.operator != "~~" || col == nil {
		return false
	}
	return slices.ContainsFunc(a.indexes, func(i *index) bool {
		return i.table == s.table && i.valid && i.method == "btree" && i.scans > 0 && sameText(i.plain[0], col.sql) &&
			(strings.HasSuffix(i.opclasses[0], "_pattern_ops") || i.bytewise)
	})
}

// geometric are types with a class of GiST indexes of their own, and operators that these know.
var (
	geometric = []string{"point", "box", "polygon", "circle"}
	within    = []string{"<@", "@>", "&&", "<<", ">>", "~="}
)

// spatial returns the operator class of a GiST index for ranges, networks and shapes, with a
// space before it: " " is the default one, "" none.
func (s *scanned) spatial(c clause) string {
	col := s.table.columns[c.left.column.name]
	if col == nil || col.isCast(c.left) {
		return ""
	}
	network := (col.kind == "inet" || col.kind == "cidr") &&
		slices.Contains([]string{"<<", "<<=", ">>", ">>=", "&&"}, c.operator)
	span := strings.HasSuffix(col.kind, "range") && slices.Contains([]string{"@>", "<@", "&&", "<<", ">>"}, c.operator)
	shape := slices.Contains(geometric, col.kind) && slices.Contains(within, c.operator)
	switch {
	case network:
		return " inet_ops"
	case span || shape:
		return " "
	}
	return ""
}

// isDistance reports whether rows are ordered by how far they are from something.
func (k sortKey) isDistance() bool {
	return slices.ContainsFunc(tokenize(k.text), func(t string) bool {
		return len(t) > 2 && strings.HasPrefix(t, "<") && strings.HasSuffix(t, ">")
	})
}

// nearest returns the GiST index that yields the rows in the order of their distance.
func (a *analysis) nearest(s *scanned) (_ *candidate, width int, ok bool) {
	if !s.limited || len(s.sort) != 1 || !s.sort[0].isDistance() || s.sort[0].descending || len(s.sort[0].columns) != 1 {
		return nil, 0, false
	}
	col := s.table.columns[s.sort[0].columns[0].name]
	if col == nil || !slices.Contains(geometric, col.kind) {
		return nil, 0, false
	}
	found := &candidate{table: s.table, method: "gist", keys: []string{col.sql}}
	return found, col.width, !a.exists(found)
}

// rewrite returns how a scan must ask for an element of an array, which has an index that does
// not serve = ANY, and this index; "" if there is none.
func (a *analysis) rewrite(s *scanned) (condition string, by *index) {
	for _, c := range s.clauses {
		col := s.table.columns[c.left.column.name]
		if c.operator != "has" || col == nil || !strings.HasSuffix(col.kind, "[]") {
			continue
		}
		for _, i := range a.indexes {
			if i.table == s.table && i.valid && i.method == "gin" && slices.Contains(i.plain, col.sql) {
				return asContained(col.sql), i
			}
		}
	}
	return "", nil
}

// asContained is = ANY of an array as an index serves it.
func asContained(key string) string {
	return key + " @> ARRAY[$n]"
}

// servesInverted reports whether there is an index for what a candidate is for. That for
// texts has a class of its own, in GIN and in GiST; of documents both classes will do.
func (a *analysis) servesInverted(c *candidate, key, class string) bool {
	for _, i := range a.indexes {
		if i.table != c.table || !i.valid || i.where != "" || i.method != "gin" && i.method != "gist" {
			continue
		}
		for k := range i.plain {
			serves := i.opclasses[k] == class
			if class != "gin_trgm_ops" {
				serves = class != "" || i.opclasses[k] != "jsonb_path_ops"
			} else if i.method == "gist" {
				serves = i.opclasses[k] == "gist_trgm_ops"
			}
			if serves && sameText(i.plain[k], key) {
				return true
			}
		}
	}
	return false
}
