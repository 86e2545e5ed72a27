package advisor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Hint is how the planner is to be told what to do for one statement. It is data: it can
// be kept in a file, and is applied without pasting it into SQL.
type Hint struct {
	// Settings are those of the planner and of memory, such as work_mem or
	// enable_nestloop. Others are refused.
	Settings map[string]string `json:"settings,omitempty"`
	// Plan are hints of the extension pg_hint_plan, such as "HashJoin(a b)".
	Plan string `json:"plan,omitempty"`
}

// Apply makes the settings those of the transaction, until it ends.
func (h Hint) Apply(ctx context.Context, tx pgx.Tx) error {
	for _, name := range slices.Sorted(maps.Keys(h.Settings)) {
		if !isPlannerSetting(name) {
			return fmt.Errorf("advisor: %q is not a planner setting", name)
		}
		if _, err := tx.Exec(ctx, "select set_config($1, $2, true)", name, h.Settings[name]); err != nil {
			return fmt.Errorf("advisor: %s: %w", name, err)
		}
	}
	return nil
}

// Query returns the statement with the hints for pg_hint_plan before it, which is a
// comment for all others.
func (h Hint) Query(sql string) (string, error) {
	if h.Plan == "" {
		return sql, nil
	}
	if strings.Contains(h.Plan, "*/") || strings.Contains(h.Plan, "/*") {
		return "", fmt.Errorf("advisor: the hint %q would end its comment", h.Plan)
	}
	return "/*+ " + h.Plan + " */ " + sql, nil
}

// isPlannerSetting reports whether a setting changes plans and no results.
func isPlannerSetting(name string) bool {
	switch {
	case strings.HasPrefix(name, "enable_"), strings.HasPrefix(name, "geqo"),
		strings.HasPrefix(name, "jit_") && strings.HasSuffix(name, "_above_cost"),
		strings.HasSuffix(name, "_page_cost"), strings.HasPrefix(name, "cpu_") && strings.HasSuffix(name, "_cost"),
		strings.HasPrefix(name, "parallel_") && strings.HasSuffix(name, "_cost"), strings.HasPrefix(name, "min_parallel_"):
		return true
	}
	switch name {
	case "work_mem",
		"hash_mem_multiplier",
		"effective_cache_size",
		"effective_io_concurrency",
		"max_parallel_workers_per_gather",
		"plan_cache_mode",
		"join_collapse_limit",
		"from_collapse_limit",
		"cursor_tuple_fraction",
		"constraint_exclusion",
		"recursive_worktable_factor",
		"jit":
		return true
	}
	return false
}
