package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
)

// pgx keeps what it has prepared under its text, whatever settings it was parsed with. So with settings
// on which it depends what a statement means (Settings.Scope), the text has a mark of theirs.

// Apart returns the arguments of a statement with which it has the mark. A nil *Settings has none.
func (s *Settings) Apart(args []any) []any {
	if s == nil || s.Scope == "" {
		return args
	}
	sum := sha256.Sum256([]byte(s.Scope))
	own, at := quiet.Marked{Mark: quiet.MarkBegins + hex.EncodeToString(sum[:16])}, -1
	for i, arg := range leading(args) {
		if rewriter, ok := arg.(pgx.QueryRewriter); ok { // As in pgx, the last one counts.
			own.Own, at = rewriter, i
		}
	}
	if at < 0 {
		return append([]any{own}, args...)
	}
	args = slices.Clone(args) // They may be a slice of the caller's.
	args[at] = own
	return args
}

// ApartBatch does that for all of a batch.
func (s *Settings) ApartBatch(b *pgx.Batch) {
	for _, q := range b.QueuedQueries {
		q.Arguments = s.Apart(q.Arguments)
	}
}
