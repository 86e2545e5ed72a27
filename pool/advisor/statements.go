package advisor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// ourOwn is in the statements of the advisor, which are not to be advised about.
const ourOwn = "/* gqlboost advisor */"

// statement is one that took time, and what the optimizer makes of it.
type statement struct {
	StatementStats
	verb    string
	ranBy   string // the role that has run it most
	role    string // the role as which it is planned, "" for our own
	samples [][]*string
	guessed bool // its text has a value that came from the statistics of a column
	literal bool // its constants are those of the program, not made parameters by Postgres

	body    string     // what of its text is planned
	text    text       // the body as it can be prepared
	plan    *node      // for any parameters
	sampled *node      // for a sample, or the plan itself
	scans   []*scanned // of the sampled plan
	general []*scanned // of the plan
	advised bool       // an index was advised for it
	unaided float64    // its cost before any index was tried
}

// rowsPerCall is how many rows it returns, -1 if that is not known.
func (s *statement) rowsPerCall() float64 {
	switch {
	case s.Calls > 0:
		return float64(s.Rows) / float64(s.Calls)
	case s.Client != nil && s.Client.Calls > s.Client.Errors:
		return float64(s.Client.Rows) / float64(s.Client.Calls-s.Client.Errors)
	}
	return -1
}

// readStatements reads what Postgres and the client have counted, and joins it by the
// query id that Postgres has for the client's text.
func (a *analysis) readStatements(ctx context.Context) error {
	byID, err := a.counted(ctx)
	switch {
	case errors.Is(err, errNotCounted):
		a.miss("Not seen by Postgres: %v. Without it there is only what the program has recorded.", err)
		if a.options.Record == nil {
			a.blind("No statements were seen: %v, and there is no record of the program.", err)
		}
	case err != nil:
		return err
	case !a.server.reads:
		a.miss("Statements of other roles are hidden: GRANT pg_monitor TO the advisor's role.")
		if a.options.Record == nil {
			a.blind("Statements of other roles are hidden: GRANT pg_monitor TO the advisor's role.")
		}
	}
	if a.server.since != nil {
		a.report.Since = *a.server.since
	}
	if a.options.Since != nil {
		a.report.Since = a.options.Since.At
	}
	for id, each := range byID {
		if since := a.options.Since; since != nil {
			each.Counters = each.since(since.Statements[id])
		}
		v, body := planned(each.sql)
		if v == "" || each.Calls == 0 || strings.Contains(each.sql, ourOwn) {
			continue
		}
		s := &statement{
			verb:  v,
			body:  body,
			ranBy: each.role,
			StatementStats: StatementStats{
				QueryID:  id,
				SQL:      each.sql,
				Counters: each.Counters,
				Mean:     each.Total / time.Duration(each.Calls),
			},
		}
		a.statements = append(a.statements, s)
		a.total += s.Total
	}
	a.joinRecord(ctx, len(byID) > 0)
	if len(a.statements) == 0 && len(a.report.Blind) == 0 {
		a.blind("No statements were seen: none has run since the counters began, and the record has none.")
	}
	slices.SortFunc(a.statements, func(x, y *statement) int {
		return cmp.Or(cmp.Compare(y.cost(), x.cost()), cmp.Compare(x.SQL, y.SQL))
	})
	return nil
}

// joinRecord adds what the client has seen. Texts that Postgres has counted under another one, such
// as those with constants, are found by their plans' query ids, as far as they are worth planning.
func (a *analysis) joinRecord(ctx context.Context, counts bool) {
	if a.options.Record == nil {
		return
	}
	byID, byText := map[int64]*statement{}, map[string]*statement{}
	for _, s := range a.statements {
		byID[s.QueryID] = s
		for _, text := range []string{s.SQL, key(s.SQL)} { // Lists of other lengths have the same key.
			if o := byText[text]; o == nil || o.cost() < s.cost() || o.cost() == s.cost() && o.SQL > s.SQL {
				byText[text] = s
			}
		}
	}
	left := a.options.MaxStatements
	for _, r := range a.options.Record.Statements {
		v, body := planned(r.SQL)
		if v == "" {
			continue
		}
		client := r.ClientStats
		s := cmp.Or(byText[r.SQL], byText[key(r.SQL)])
		if s == nil && counts && left > 0 && a.worth(&statement{StatementStats: StatementStats{Client: &client}}) {
			left--
			each := &statement{body: body}
			if a.firstPlan(ctx, each) == nil {
				s = byID[each.plan.QueryID]
			}
		}
		if s == nil {
			s = &statement{verb: v, body: body, StatementStats: StatementStats{SQL: r.SQL}}
			a.statements = append(a.statements, s)
			if !counts {
				a.total += client.Total
			}
		}
		if s.Client == nil { // Texts that differ in constants only are one for Postgres: the first has the most time.
			s.SQL, s.body, s.Client, s.literal = r.SQL, body, &client, true
			s.samples = r.Samples
		}
	}
}

// errNoPlan is why a statement of which Postgres makes no plan is not looked at.
var errNoPlan = errors.New("it is a command without a plan of its own")

// worth reports whether a statement took enough time to be looked at.
func (a *analysis) worth(s *statement) bool {
	return a.options.TestData || float64(s.cost()) >= a.options.MinShare*float64(a.total)
}

// planStatements asks the optimizer.
func (a *analysis) planStatements(ctx context.Context) error {
	left := a.options.MaxStatements
	skipped := 0
	for _, s := range a.statements {
		if !a.worth(s) {
			continue
		}
		if s.body == "" {
			a.unplanned(s, errNoPlan)
			continue
		}
		if left--; left < 0 {
			skipped++
			a.report.Unplanned += s.cost()
			continue
		}
		if err := a.planStatement(ctx, s); err != nil {
			return err
		}
	}
	if a.report.Unplanned > a.total/10 {
		a.blind("%s of the time is of statements that could not be planned.", share(a.report.Unplanned, a.total))
	}
	if skipped > 0 {
		a.miss("%d statements with less time were not planned (MaxStatements is %d).", skipped, a.options.MaxStatements)
	}
	return nil
}
