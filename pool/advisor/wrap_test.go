package advisor

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b[31mb":       `a\x1b[31mb`,
		"tab\tline\nend":   "tab line\nend",
		"\x00\x7f":         `\x00\x7f`,
		"torn \xff":        `torn \xff`,
		"turned \u202e x":  `turned \u202e x`,
		"c1 \u009b x":      `c1 \u009b x`,
		"Grüße, 世界 🙂":      "Grüße, 世界 🙂",
		"carriage\rreturn": `carriage\x0dreturn`,
	} {
		if got := plain(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, each := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two three", 8, "one two|three"},
		{`on "a  b c" (x)`, 6, `on|"a  b c"|(x)`},
		{"where a = 'x  y' and b", 10, "where a =|'x  y' and|b"},
		{"it's not a quote", 8, "it's not|a quote"},
		{"a\nb c", 1, "a|b|c"},
		{"", 5, ""},
	} {
		if got := strings.Join(wrap(each.text, each.width), "|"); got != each.want {
			t.Errorf("%q in %d: %q", each.text, each.width, got)
		}
	}
}

// Names and statements of others do nothing to the terminal, and lines are as long as they
// may be.
func TestTextIsPlain(t *testing.T) {
	evil := "\x1b]0;title\x07 \u202e \r\x00 " + strings.Repeat("word ", 60)
	r := &Report{Server: evil, Database: evil, Missing: []string{evil}, Total: time.Second, Replica: true}
	s := StatementStats{SQL: evil, QueryID: 3}
	s.Calls, s.Total = 10, time.Second
	for _, kind := range []Kind{MissingIndex, SequentialScan, UnusedIndex} {
		r.Findings = append(
			r.Findings,
			Finding{
				Kind:      kind,
				Title:     evil,
				Evidence:  []string{evil},
				Action:    evil,
				SQL:       []string{evil},
				Risk:      evil,
				Statement: evil,
				QueryID:   3,
				Table:     evil,
				Rewrite:   evil,
				Saving:    time.Second / 2,
				Before:    time.Second,
				After:     time.Millisecond,
			},
		)
	}
	r.finish([]*statement{{StatementStats: s}}, time.Second)
	for _, width := range []int{0, 60, 80, 120} {
		var b bytes.Buffer
		if err := r.WriteTextWidth(&b, width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(b.String(), "\n") {
			if n := utf8.RuneCountInString(line); n > max(width, minWidth) {
				t.Errorf("%d of %d characters: %q", n, width, line)
			}
			if strings.ContainsFunc(line, func(c rune) bool { return unicode.IsControl(c) || c == 0x202e }) {
				t.Errorf("%q", line)
			}
		}
		if !strings.Contains(b.String(), "a replica") {
			t.Error("the replica is not named")
		}
	}
	var page bytes.Buffer
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"\x1b", "\x07", "\x00", "\u202e", "\r"} {
		if strings.Contains(page.String(), c) {
			t.Errorf("the page has %q", c)
		}
	}
}

// A width that no terminal has is not filled with spaces.
func TestAnyWidth(t *testing.T) {
	r := &Report{Findings: []Finding{{Kind: UnusedIndex, Title: "Index a is not used", Bytes: 1}}}
	for _, width := range []int{math.MinInt, 0, 200, math.MaxInt} {
		var b bytes.Buffer
		if err := r.WriteTextWidth(&b, width); err != nil || b.Len() > 10*maxWidth {
			t.Errorf("width %d: %d bytes, %v", width, b.Len(), err)
		}
	}
}

// What is saved of a statement by several findings is at most its time, and what saves
// something unknown does not sink below what saves little.
func TestSummary(t *testing.T) {
	dear, cheap := StatementStats{SQL: "select 1", QueryID: 1}, StatementStats{SQL: "select 2", QueryID: 2}
	dear.Calls, dear.Total, cheap.Calls, cheap.Total = 1, 9*time.Second, 1, time.Second
	r := &Report{Findings: []Finding{
		{Kind: Spill, Statement: dear.SQL, QueryID: 1},
		{Kind: UnboundedResult, Statement: cheap.SQL, QueryID: 2, Saving: time.Second / 2},
		{Kind: UnusedIndex, Bytes: 1 << 30},
		{Kind: MissingIndex, SQL: []string{"x"}, Statement: dear.SQL, QueryID: 1, Saving: 8 * time.Second},
		{
			Kind:       MissingIndex,
			SQL:        []string{"y"},
			Statement:  dear.SQL,
			QueryID:    1,
			Saving:     7 * time.Second,
			Definition: "y",
		},
	}}
	r.finish([]*statement{{StatementStats: dear}, {StatementStats: cheap}}, 10*time.Second)
	var kinds []Kind
	for _, f := range r.Findings {
		kinds = append(kinds, f.Kind)
	}
	if want := []Kind{MissingIndex, MissingIndex, Spill, UnboundedResult, UnusedIndex}; !slices.Equal(kinds, want) {
		t.Errorf("%v", kinds)
	}
	about, saved := r.concerned()
	if about != 10*time.Second || saved != 8*time.Second+time.Second/2 {
		t.Errorf("%v %v", about, saved)
	}
}
