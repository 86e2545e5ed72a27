package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// single is a cell of a table in running text, or in a table that is written by hand:
//
//	<!-- figure blocks; reader; throughput -->1.38 (1.35 to 1.40)<!-- end -->
//	<!-- figure simdjson/DecodeRequest; 1.7KB; encoding-json-map; ratio -->18x<!-- end -->
//
// names the table, the row and the column. With "ratio" it is the ratio that the cell has in
// parentheses at its end, with "first" the cell's first word.
var single = regexp.MustCompile(`(<!-- figure ([^\n]+?) -->)[^\n]*?(<!-- end -->)`)

// ratioOf finds the ratio at the end of a cell: "17 ms (16 to 19) (2.4x)".
var ratioOf = regexp.MustCompile(`\(([\d.e+]+x)\)$`)

// fillFigures writes single figures between the comments that name them.
func fillFigures(text []byte, tables map[string]string) (_ []byte, err error) {
	text = single.ReplaceAllFunc(text, func(found []byte) []byte {
		parts := single.FindSubmatch(found)
		value, lookup := figureNamed(string(parts[2]), tables)
		if lookup != nil && err == nil {
			err = lookup
		}
		return slices.Concat(parts[1], []byte(value), parts[3])
	})
	return text, err
}

// figureNamed returns the cell that a comment names.
func figureNamed(name string, tables map[string]string) (string, error) {
	parts := strings.Split(name, "; ")
	if len(parts) != 3 && len(parts) != 4 {
		return "", fmt.Errorf("a figure is TABLE; ROW; COLUMN, not %s", name)
	}
	cell, ok := cellOf(tables[parts[0]], parts[1], parts[2])
	if !ok || cell == "" {
		return "", fmt.Errorf("there are no results for the figure %s", name)
	}
	if len(parts) == 3 {
		return cell, nil
	}
	switch parts[3] {
	case "first":
		first, _, _ := strings.Cut(cell, " ")
		return first, nil
	case "ratio":
		if found := ratioOf.FindStringSubmatch(cell); found != nil {
			return found[1], nil
		}
	}
	return "", fmt.Errorf("the figure %s has no %s: %s", name, parts[3], cell)
}

// cellOf returns a cell of a table in Markdown by the names of its row and column.
func cellOf(table, row, column string) (string, bool) {
	at := -1
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if at < 0 {
			if at = slices.Index(cells, column); at < 0 {
				return "", false
			}
		} else if cells[0] == row && at < len(cells) {
			return cells[at], true
		}
	}
	return "", false
}
