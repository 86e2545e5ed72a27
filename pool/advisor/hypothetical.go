package advisor

import (
	"context"
	"slices"
)

// hypothetical makes indexes that only the optimizer sees, with hypopg. They belong to
// the session, not to the transaction.
type hypothetical struct {
	a      *analysis
	schema string // of the extension; "" if it is not installed
	kept   []uint32
}

// with returns the plan with indexes more, nil if the optimizer does not take all of them,
// and their size.
func (h *hypothetical) with(ctx context.Context, p proposal, plan func() (*node, error)) (found *node, bytes int64, err error) {
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
			if !slices.ContainsFunc(names, found.uses) {
				found = nil
				break
			}
		}
		return nil
	})
	for _, oid := range slices.Clone(h.kept[before:]) {
		if failed := h.drop(ctx, oid); err == nil {
			err = failed
		}
	}
	return found, bytes, err
}

// create makes an index, of all parts of a partitioned table that are read, which stays
// until it is dropped. Its size is what hypopg thinks, of the whole table.
func (h *hypothetical) create(ctx context.Context, c *candidate) (names []string, bytes int64, err error) {
	pages := int64(0)
	for _, t := range append([]*table{c.table}, c.others...) {
		var oid uint32
		var name string
		var size int64
		if err := h.a.tx.QueryRow(ctx, "select "+ourOwn+" indexrelid, indexname from "+h.schema+".hypopg_create_index($1)", c.definition(t)).Scan(&oid, &name); err != nil {
			return nil, 0, err
		}
		h.kept = append(h.kept, oid)
		if err := h.a.tx.QueryRow(ctx, "select "+ourOwn+" "+h.schema+".hypopg_relation_size($1)", oid).Scan(&size); err != nil {
			return nil, 0, err
		}
		names, bytes, pages = append(names, name), bytes+size, pages+t.pages
	}
	if whole := c.table.whole(); pages > 0 && whole.pages > pages {
		bytes = int64(float64(bytes) * float64(whole.pages) / float64(pages))
	}
	return names, bytes, nil
}

// drop drops an index of those that are kept.
func (h *hypothetical) drop(ctx context.Context, oid uint32) error {
	if _, err := h.a.tx.Exec(ctx, "select "+ourOwn+" "+h.schema+".hypopg_drop_index($1)", oid); err != nil {
		return err
	}
	h.kept = slices.DeleteFunc(h.kept, func(o uint32) bool { return o == oid })
	return nil
}

// reset drops what is kept.
func (h *hypothetical) reset(ctx context.Context) error {
	for _, oid := range slices.Clone(h.kept) {
		if err := h.drop(ctx, oid); err != nil {
			return err
		}
	}
	return nil
}

// end drops what is left, also after a failure: the connection may be a pool's.
func (h *hypothetical) end(ctx context.Context) {
	if len(h.kept) > 0 {
		ctx = context.WithoutCancel(ctx)
		_ = h.a.savepoint(ctx, func() error { return h.reset(ctx) }) // The connection is lost then.
	}
}
