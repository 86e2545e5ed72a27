package advisor

import (
	"regexp"
	"strings"
)

// Check returns what a pipeline is to fail for: sequential scans, missing indexes and
// repeated statements that were not in an earlier report, which may be nil. A missing index
// is known if each statement that it helps had such a finding before: which columns are
// best may change with the share that each statement has. Where [Report.Blind] has reasons,
// nothing found means nothing.
func (r *Report) Check(before *Report) []Finding {
	known := map[string]bool{}
	if before != nil {
		for _, f := range before.Findings {
			known[f.Key()] = true
			for _, s := range f.slow() {
				known[s] = true
			}
		}
	}
	var found []Finding
	for _, f := range r.Findings {
		switch f.Kind {
		case MissingIndex, SequentialScan, PatternScan, RepeatedStatement:
			if !known[f.Key()] && !f.allKnown(known) {
				found = append(found, f)
			}
		}
	}
	return found
}

// allKnown reports whether all statements that read a table slowly did so before.
func (f Finding) allKnown(known map[string]bool) bool {
	slow := f.slow()
	for _, s := range slow {
		if !known[s] {
			return false
		}
	}
	return len(slow) > 0
}

// slow names the statements that read a table slowly.
func (f Finding) slow() (list []string) {
	switch f.Kind {
	case MissingIndex:
		for _, h := range f.Helps {
			list = append(list, f.Table+"|"+key(h.SQL))
		}
	case SequentialScan, PatternScan:
		list = append(list, f.Table+"|"+key(f.Statement))
	}
	return list
}

// manyParameters are lists of any length.
var manyParameters = regexp.MustCompile(`\(\s*\$\d+(?:\s*,\s*\$\d+)+\s*\)`)

// key is a statement's text without what does not matter.
func key(sql string) string {
	text := strings.TrimRight(strings.Join(strings.Fields(sql), " "), "; ")
	return manyParameters.ReplaceAllString(text, "($n)")
}
