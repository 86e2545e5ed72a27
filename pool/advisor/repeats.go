package advisor

import (
	"fmt"
	"regexp"
	"time"
)

// byKey is the end of a statement that wants the rows of one key.
var byKey = regexp.MustCompile(`(?i)\bwhere\s+((?:\w+\.)?\w+)\s*=\s*\$1\b`)

// ofKeys is a statement that takes many keys.
var ofKeys = regexp.MustCompile(`(?i)\b(any|unnest)\s*\(\s*\$`)

// habit is which share of the requests must repeat a statement. One that takes many keys
// already is mostly run once, but a busy machine tears some of the batches.
func habit(sql string) float64 {
	if ofKeys.MatchString(sql) {
		return 0.5
	}
	return 0.05
}

// findRepeats finds statements that a request runs once for each element of a list.
func (a *analysis) findRepeats() {
	if a.options.Record == nil {
		return
	}
	byText := map[string][]*statement{}
	for _, s := range a.statements {
		byText[key(s.SQL)] = append(byText[key(s.SQL)], s)
	}
	for _, r := range a.options.Record.Repeats {
		if r.Most < int64(a.options.Repeats) || r.Requests == 0 || float64(r.Requests) < habit(r.SQL)*float64(r.Of) {
			continue
		}
		f := Finding{
			Kind:      RepeatedStatement,
			Statement: r.SQL,
			Request:   r.Request,
			Title:     fmt.Sprintf("%s runs a statement up to %d times for one request", r.Request, r.Most),
			Evidence: []string{
				fmt.Sprintf(
					"%s of %s requests have run it %s times: %.0f each",
					count(float64(r.Requests)),
					count(float64(max(r.Of, r.Requests))),
					count(float64(r.Runs)),
					float64(r.Runs)/float64(r.Requests),
				),
			},
			Risk: "None, if the batch keeps the order of keys and says which are missing, as package dataloader does.",
		}
		if r.Caller != "" {
			f.Title += " (" + r.Caller + ")"
			f.Evidence = append(f.Evidence, "it is asked for by "+r.Caller)
		}
		f.Action = "Ask for all of a request's keys together: pool/dataloader with ByKey, or ListByKey for lists, and a " +
			"statement with = ANY($1)."
		if ofKeys.MatchString(r.SQL) {
			f.Action = "It takes many keys and is asked for few: let one loader of the request collect them for longer " +
				"(dataloader.Options.Quiet)."
		}
		if m := byKey.FindStringSubmatchIndex(r.SQL); m != nil {
			f.Action = fmt.Sprintf(
				"Ask for all of a request's keys together: dataloader.New(dataloader.ByKey(reader, %q, ...), "+
					"dataloader.Options{}), or ListByKey for lists.",
				oneLine(r.SQL[:m[0]]+"WHERE "+r.SQL[m[2]:m[3]]+" = ANY($1)"+r.SQL[m[1]:], 300),
			)
		}
		if r.Same > r.Runs/2 {
			f.Action = "Most of its runs have the same parameters: ask once for each request and keep the answer, as " +
				"dataloader's Load does."
		}
		for _, s := range byText[key(r.SQL)] {
			if s.calls() > 0 {
				f.QueryID = s.QueryID
				f.Saving = time.Duration(float64(s.cost()) * min(1, float64(r.Runs-r.Requests)/float64(s.calls())))
			}
		}
		a.report.add(f)
	}
}
