package guard

import (
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// IsOption reports whether pgx takes an argument for an option, if only options come before it.
func IsOption(arg any) bool {
	switch arg.(type) {
	case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID, pgx.QueryRewriter:
		return true
	}
	return false
}

// leading returns the arguments that are options, which come first.
func leading(args []any) []any {
	n := slices.IndexFunc(args, func(arg any) bool { return !IsOption(arg) })
	if n < 0 {
		return args
	}
	return args[:n]
}

// options are those of pgx that come before the arguments of a statement.
type options struct {
	results pgx.QueryResultFormats
	byOID   pgx.QueryResultFormatsByOID
}

// optionsOf separates the options from the arguments. It returns false if only pgx can run a
// statement with them: one that is not to be described, or whose text an option makes.
func optionsOf(args []any) (o options, rest []any, ok bool) {
	for i, arg := range args {
		switch option := arg.(type) {
		case pgx.QueryExecMode:
			if option == pgx.QueryExecModeExec || option == pgx.QueryExecModeSimpleProtocol {
				return o, nil, false
			}
		case pgx.QueryResultFormats:
			o.results = option
		case pgx.QueryResultFormatsByOID:
			o.byOID = option
		case pgx.QueryRewriter:
			return o, nil, false
		default:
			return o, args[i:], true
		}
	}
	return o, nil, true
}

// formats returns the formats of a statement's columns, nil for those that pgx prefers.
func (o options) formats(d *pgconn.StatementDescription) []int16 {
	if o.byOID == nil {
		return o.results
	}
	formats := make([]int16, len(d.Fields))
	for i := range formats {
		formats[i] = o.byOID[d.Fields[i].DataTypeOID]
	}
	return formats
}
