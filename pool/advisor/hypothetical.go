package advisor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// hypothetical makes indexes that only the optimizer sees, with hypopg. They belong to
// the session, not to the transaction.
type hypothetical struct {
	a      *analysis
	schema string // of the extension; "" if it is not installed
	kept   []uint32
	others []uint32 // that the session has had before
}

// with returns the plan with indexes more, nil if the optimizer does not take all of them,
// and their size.
func (h *hypothetical) with(
	ctx context.Context,
	p proposal,
	plan func() (*node, error),
) (found *node, bytes int64, err error) {
	before := len(h.kept)
	err = h.a.savepoint(ctx, func() error {
		var made [][]string
		for _, c := range p {
			names, size, err := h.create(ctx, c)
			if err != nil {
				return err
			}
			made, bytes = append(made, names), bytes+size
		}
		if found, err = plan(); err != nil {
			return err
		}
		for _, names := range made {
			if !slices.ContainsFunc(names, found.uses) || h.a.skips(found, names) {
				found = nil
				break
			}
		}
		return nil
	})
	failed := h.drop(ctx, slices.Clone(h.kept[before:]))
	if err != nil {
		return nil, 0, errors.Join(err, h.sweep(ctx))
	}
	if failed != nil {
		return nil, 0, failed
	}
	return found, bytes, nil
}

// create makes an index, of all parts of a partitioned table that are read, which stays
// until it is dropped. Its size is what hypopg thinks, of the whole table.
func (h *hypothetical) create(ctx context.Context, c *candidate) (names []string, bytes int64, err error) {
	pages := int64(0)
	var definitions []string
	for _, t := range append([]*table{c.table}, c.others...) {
		definitions = append(definitions, c.definition(t))
		pages += t.pages
	}
	rows, err := h.a.tx.Query(ctx,
		fmt.Sprintf(`select `+ourOwn+` i.indexrelid, i.indexname, %[1]s.hypopg_relation_size(i.indexrelid)
		from unnest($1::text[]) d, %[1]s.hypopg_create_index(d) i`, h.schema), definitions)
	if err != nil {
		return nil, 0, err
	}
	var oid uint32
	var name string
	var size int64
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &size}, func() error {
		h.kept = append(h.kept, oid)
		names, bytes = append(names, name), bytes+size
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if whole := c.table.whole(); pages > 0 && whole.pages > pages {
		bytes = int64(float64(bytes) * float64(whole.pages) / float64(pages))
	}
	return names, bytes, nil
}

// drop drops indexes of those that are kept.
func (h *hypothetical) drop(ctx context.Context, oids []uint32) error {
	if len(oids) == 0 {
		return nil
	}
	_, err := h.a.tx.Exec(ctx, "select "+ourOwn+" "+h.schema+".hypopg_drop_index(i) from unnest($1::oid[]) i", oids)
	if err == nil {
		h.kept = slices.DeleteFunc(h.kept, func(o uint32) bool { return slices.Contains(oids, o) })
	}
	return err
}

// reset drops what is kept.
func (h *hypothetical) reset(ctx context.Context) error { return h.drop(ctx, slices.Clone(h.kept)) }

// begin remembers which the session has already. Without the right to call hypopg, or without its
// library, which a replica may lack, nothing is tried.
func (h *hypothetical) begin(ctx context.Context) error {
	err := h.a.savepoint(ctx, func() error {
		rows, err := h.a.tx.Query(ctx, "select "+ourOwn+" indexrelid from "+h.schema+".hypopg()")
		if err != nil {
			return err
		}
		h.others, err = pgx.CollectRows(rows, pgx.RowTo[uint32])
		return err
	})
	var e *pgconn.PgError
	if errors.As(err, &e) {
		h.a.miss("Index advice is not verified: the extension hypopg cannot be called (%s).", e.Message)
		h.schema = ""
		return nil
	}
	return err
}

// sweep drops what was made and is not kept: of several parts some may have been made
// before one failed.
func (h *hypothetical) sweep(ctx context.Context) error {
	_, err := h.a.tx.Exec(ctx, fmt.Sprintf(`select `+ourOwn+` %[1]s.hypopg_drop_index(indexrelid) from %[1]s.hypopg()
		where indexrelid <> all ($1::oid[])`, h.schema), slices.Concat([]uint32{0}, h.others, h.kept)) // never null
	return err
}

// end drops what is left, also after a failure: the connection may be a pool's.
func (h *hypothetical) end(ctx context.Context) {
	if h.schema == "" {
		return
	}
	ctx, cancel := atEnd(ctx)
	defer cancel()
	h.kept = nil
	_ = h.a.savepoint(ctx, func() error { return h.sweep(ctx) }) // The connection is lost then.
}
