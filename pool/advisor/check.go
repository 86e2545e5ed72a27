package advisor

import "strings"

// Check returns what a pipeline is to fail for: sequential scans, missing indexes and
// repeated statements that were not in an earlier report, which may be nil.
func (r *Report) Check(before *Report) []Finding {
	known := map[string]bool{}
	if before != nil {
		for _, f := range before.Findings {
			known[f.Key()] = true
		}
	}
	var found []Finding
	for _, f := range r.Findings {
		switch f.Kind {
		case MissingIndex, SequentialScan, PatternScan, RepeatedStatement:
			if !known[f.Key()] {
				found = append(found, f)
			}
		}
	}
	return found
}

// key is a statement's text without what does not matter.
func key(sql string) string {
	return strings.TrimRight(strings.Join(strings.Fields(sql), " "), "; ")
}
