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
	bytes  map[*candidate]int64
}

// with returns the plan with an index more, nil if the optimizer does not take the index.
func (h *hypothetical) with(ctx context.Context, c *candidate, plan func() (*node, error)) (found *node, err error) {
	var oid uint32
	err = h.a.savepoint(ctx, func() (err error) {
		var name string
		if oid, name, err = h.create(ctx, c); err != nil {
			return err
		}
		if found, err = plan(); err == nil && !found.uses(name) {
			found = nil
		}
		return err
	})
	if oid != 0 {
		h.kept = append(h.kept, oid)
		if failed := h.drop(ctx, oid); err == nil {
			err = failed
		}
	}
	return found, err
}

// create makes an index. Its size is what hypopg thinks.
func (h *hypothetical) create(ctx context.Context, c *candidate) (oid uint32, name string, err error) {
	err = h.a.tx.QueryRow(ctx, "select /* gqlboost advisor */ indexrelid, indexname from "+h.schema+".hypopg_create_index($1)", c.definition("")).Scan(&oid, &name)
	if err != nil {
		return 0, "", err
	}
	if h.bytes == nil {
		h.bytes = map[*candidate]int64{}
	}
	var bytes int64
	if err := h.a.tx.QueryRow(ctx, "select /* gqlboost advisor */ "+h.schema+".hypopg_relation_size($1)", oid).Scan(&bytes); err != nil {
		return oid, name, err
	}
	h.bytes[c] = bytes
	return oid, name, nil
}

// drop drops an index of those that are kept.
func (h *hypothetical) drop(ctx context.Context, oid uint32) error {
	if _, err := h.a.tx.Exec(ctx, "select /* gqlboost advisor */ "+h.schema+".hypopg_drop_index($1)", oid); err != nil {
		return err
	}
	h.kept = slices.DeleteFunc(h.kept, func(o uint32) bool { return o == oid })
	return nil
}

// keep makes an index that stays until reset.
func (h *hypothetical) keep(ctx context.Context, c *candidate) error {
	oid, _, err := h.create(ctx, c)
	if oid != 0 {
		h.kept = append(h.kept, oid)
	}
	return err
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
