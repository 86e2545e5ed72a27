package store

import (
	"slices"
	"strings"
	"sync"
)

// Columns are some of the columns of a type; nil are all.
type Columns struct {
	all, list  string // behind select
	indices    []int  // of the type's columns
	statements sync.Map
}

// Project returns those of all columns of a type that are wanted.
func Project(all string, wanted []string) *Columns {
	c := &Columns{all: all}
	var names []string
	for i, name := range strings.Split(all, ", ") {
		if slices.Contains(wanted, name) {
			names, c.indices = append(names, name), append(c.indices, i)
		}
	}
	c.list = strings.Join(names, ", ")
	return c
}

// sql returns a statement on all columns as one on these.
func (c *Columns) sql(text string) string {
	if c == nil {
		return text
	}
	if known, ok := c.statements.Load(text); ok {
		return known.(string)
	}
	projected := strings.Replace(text, c.all, c.list, 1)
	c.statements.Store(text, projected)
	return projected
}

// targets returns those of the targets of all columns.
func (c *Columns) targets(all []any) []any {
	if c == nil {
		return all
	}
	out := all[:0] // Indices rise.
	for _, index := range c.indices {
		out = append(out, all[index])
	}
	return out
}

// key is what loaders of the same columns are known by.
func (c *Columns) key() string {
	if c == nil {
		return ""
	}
	return c.list
}
