package advisor

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Group says when to look at a finding.
type Group string

const (
	QuickWin     Group = "do first"     // SQL that makes statements faster
	ToLookAt     Group = "to look at"   // the program or its statements must change
	Housekeeping Group = "housekeeping" // what costs space and writes, and brings nothing
)

// groupOrder has the groups in the order of a report.
var groupOrder = []Group{QuickWin, ToLookAt, Housekeeping}

// Group returns when to look at the finding.
func (f Finding) Group() Group {
	switch f.Kind {
	case UnusedIndex, DuplicateIndex, RedundantIndex, BloatedIndex, InvalidIndex:
		return Housekeeping
	}
	if len(f.SQL) > 0 && f.Rewrite == "" {
		return QuickWin
	}
	return ToLookAt
}

// weight is what findings are ordered by: what they save, or where that is not known, what
// the statement takes.
func (f Finding) weight() time.Duration { return cmp.Or(f.Saving, f.Time) }

// order puts the findings into the order of their groups, what weighs most first.
func (r *Report) order() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(groupOrder, a.Group()), slices.Index(groupOrder, b.Group())),
			cmp.Compare(b.weight(), a.weight()), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Key(), b.Key()))
	})
}

// of returns the findings of a group with their numbers.
func (r *Report) of(g Group) (list []numbered) {
	for i, f := range r.Findings {
		if f.Group() == g {
			list = append(list, numbered{i + 1, f})
		}
	}
	return list
}

// numbered is a finding with its number in the report.
type numbered struct {
	Number int
	Finding
}

// subject identifies the statements that a finding is about.
type subject struct {
	ids  map[int64]bool
	keys map[string]bool
}

// has reports whether a statement with a query id and a key of its text is one of them.
func (s subject) has(id int64, key string) bool { return s.ids[id] || s.keys[key] }

// subjects are those of the findings. Making a key takes time, so they are made once, and not for
// each pair of a finding and a statement.
func (r *Report) subjects() (list []subject) {
	for _, f := range r.Findings {
		s := subject{map[int64]bool{}, map[string]bool{}}
		for _, h := range append([]Helped{{QueryID: f.QueryID, SQL: f.Statement}}, f.Helps...) {
			if h.QueryID != 0 {
				s.ids[h.QueryID] = true
			}
			if h.SQL != "" {
				s.keys[key(h.SQL)] = true
			}
		}
		list = append(list, s)
	}
	return list
}

// findings are the numbers of those that are about a statement.
func (s StatementStats) findings(subjects []subject) (numbers []int) {
	text := key(s.SQL)
	for i, each := range subjects {
		if each.has(s.QueryID, text) {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}

// concerned is the time of the statements that findings are about, and what advised
// statements save of it: of a statement with several findings at most its own time.
func (r *Report) concerned() (about, saved time.Duration) {
	subjects := r.subjects()
	for _, s := range r.Statements {
		of := time.Duration(0)
		found := false
		text := key(s.SQL)
		for i, f := range r.Findings {
			if subjects[i].has(s.QueryID, text) {
				found = true
				of = max(of, f.savingOf(s))
			}
		}
		if found {
			about += s.cost()
			saved += min(of, s.cost())
		}
	}
	return about, saved
}

// savingOf is what a finding saves of the time of a statement.
func (f Finding) savingOf(s StatementStats) time.Duration {
	for _, h := range f.Helps {
		if h.QueryID != 0 && h.QueryID == s.QueryID || key(h.SQL) == key(s.SQL) {
			return (h.Before - h.After) * time.Duration(s.calls())
		}
	}
	return f.Saving
}

// headline says what the findings stand for.
func (r *Report) headline() string {
	if len(r.Findings) == 0 {
		return "No problems found."
	}
	about, saved := r.concerned()
	text := fmt.Sprintf("%d findings", len(r.Findings))
	if len(r.Findings) == 1 {
		text = "1 finding"
	}
	if about == 0 {
		return text + ", none of them about a statement that takes time."
	}
	text += fmt.Sprintf(". They are about statements that take %s of the database's time", share(about, r.Total))
	if saved > 0 {
		text += fmt.Sprintf("; what is advised would save about %s", share(saved, r.Total))
	}
	return text + "."
}

// gain says in a few characters what a finding brings.
func (f Finding) gain(total time.Duration) string {
	switch {
	case f.Saving > 0:
		return "saves " + share(f.Saving, total)
	case f.Time > 0:
		return "of " + share(f.Time, total)
	case f.Bytes > 0:
		return size(f.Bytes)
	}
	return ""
}

// each says what a run takes before and after.
func (f Finding) each() string {
	if f.Before == 0 {
		return ""
	}
	return fmt.Sprintf("%s -> %s each", milliseconds(f.Before), milliseconds(f.After))
}

// milliseconds writes a duration so that two can be compared.
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 1:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.3f ms", ms)
}

// verification says whether the optimizer takes an advised index, "" for other findings.
func (f Finding) verification() string {
	switch {
	case f.Kind != MissingIndex:
		return ""
	case f.Verified:
		return "verified: the optimizer takes it"
	}
	return "not verified: not tried by the optimizer"
}
