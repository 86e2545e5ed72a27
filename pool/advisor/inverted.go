package advisor

import (
	"fmt"
	"slices"
	"strings"
)

// inverted returns the index for a clause that no B-tree serves: what is contained in
// documents, arrays and texts. ok is false if there is none, or no need.
func (a *analysis) inverted(s *scanned, c clause) (_ *candidate, ok bool) {
	col := s.table.columns[c.left.column.name]
	found := &candidate{table: s.table, method: "gin"}
	key, class := "("+c.left.local()+")", ""
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
		if a.mayBePrefix(s, c) {
			return nil, false
		}
		class = "gin_trgm_ops"
		switch {
		case a.server.extensions["pg_trgm"] != "":
		case a.server.available["pg_trgm"]:
			found.before = []string{"CREATE EXTENSION IF NOT EXISTS pg_trgm"}
		default:
			return nil, false
		}
	case c.operator == "@>" && document || c.operator == "@?" || c.operator == "@@" && document:
		class = "jsonb_path_ops"
	case c.operator == "?" || c.operator == "?|" || c.operator == "?&":
	case (c.operator == "@>" || c.operator == "&&" || c.operator == "<@") && array:
	case c.operator == "has" && array && c.left.cast == "":
		value := c.right.text
		if strings.Contains(value, "$") {
			value = "$n"
		}
		found.rewrite = fmt.Sprintf("%s @> ARRAY[%s]", key, value)
	case c.operator == "@@" && (col != nil && col.kind == "tsvector" || strings.Contains(key, "to_tsvector(")):
	default:
		return nil, false
	}
	found.keys = []string{strings.TrimSpace(key + " " + class)}
	if found.rewrite != "" {
		return found, true // An index that is there does not help as it is written.
	}
	return found, !a.servesInverted(found, key, class)
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

// spatial returns the operator class of a GiST index for ranges and networks, with a space
// before it: " " is the default one, "" none.
func (s *scanned) spatial(c clause) string {
	col := s.table.columns[c.left.column.name]
	if col == nil || c.left.cast != "" {
		return ""
	}
	network := (col.kind == "inet" || col.kind == "cidr") &&
		slices.Contains([]string{"<<", "<<=", ">>", ">>=", "&&"}, c.operator)
	span := strings.HasSuffix(col.kind, "range") && slices.Contains([]string{"@>", "<@", "&&", "<<", ">>"}, c.operator)
	switch {
	case network:
		return " inet_ops"
	case span:
		return " "
	}
	return ""
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
