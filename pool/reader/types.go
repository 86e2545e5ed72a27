package reader

import (
	"database/sql/driver"
	"reflect"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"
)

// types gives callers copies of a connection's type map. pgx uses a map from one goroutine
// only, so neither a map nor what is registered in it needs to be safe for concurrent use:
// the callers of a shared connection each have a copy, in which pgx's codecs with a state
// are new, and those of others, of which nothing is known, are used by one caller at a time.
type types struct {
	copies sync.Pool // of *pgtype.Map
}

func newTypes(source *pgtype.Map) *types {
	t := &types{}
	lock := &codecLock{}
	t.copies.New = func() any { return copyMap(source, lock) }
	return t
}

func (t *types) get() *pgtype.Map  { return t.copies.Get().(*pgtype.Map) }
func (t *types) put(m *pgtype.Map) { t.copies.Put(m) }

// copyMap returns a map with the types and the wrappers of another.
func copyMap(source *pgtype.Map, lock *codecLock) *pgtype.Map {
	// Map.Copy has the types, but not the wrappers.
	m := source.Copy()
	m.TryWrapEncodePlanFuncs = slices.Clone(source.TryWrapEncodePlanFuncs)
	m.TryWrapScanPlanFuncs = slices.Clone(source.TryWrapScanPlanFuncs)
	c := copier{lock: lock, done: map[*pgtype.Type]*pgtype.Type{}}
	for _, t := range registered(m) {
		if own := c.typ(t); own != t {
			m.RegisterType(own)
		}
	}
	return m
}

// registered returns the types of a map that were registered with it: those that pgx
// knows without, which are the same for all connections, have no state. pgtype.Map does not
// list them, so they are read from its field; a test fails if that is gone.
func registered(m *pgtype.Map) (list []*pgtype.Type) {
	for oid := range reflect.ValueOf(m).Elem().FieldByName("oidToType").Seq2() {
		if t, ok := m.TypeForOID(uint32(oid.Uint())); ok {
			list = append(list, t)
		}
	}
	return list
}

// copier copies types whose codecs must not be shared.
type copier struct {
	lock *codecLock
	done map[*pgtype.Type]*pgtype.Type
}

// typ returns the type itself if it may be shared.
func (c *copier) typ(t *pgtype.Type) *pgtype.Type {
	if t == nil {
		return nil
	}
	if own, ok := c.done[t]; ok {
		return own
	}
	c.done[t] = t // until it is known; types do not contain themselves
	if codec := c.codec(t.Codec); codec != t.Codec {
		own := *t
		own.Codec = codec
		c.done[t] = &own
	}
	return c.done[t]
}

const pgtypePath = "github.com/jackc/pgx/v5/pgtype"

func (c *copier) codec(codec pgtype.Codec) pgtype.Codec {
	switch known := codec.(type) {
	case *pgtype.EnumCodec:
		return &pgtype.EnumCodec{}
	case *pgtype.ArrayCodec:
		if element := c.typ(known.ElementType); element != known.ElementType {
			own := *known
			own.ElementType = element
			return &own
		}
		return known
	case *pgtype.RangeCodec:
		if element := c.typ(known.ElementType); element != known.ElementType {
			return &pgtype.RangeCodec{ElementType: element}
		}
		return known
	case *pgtype.MultirangeCodec:
		if element := c.typ(known.ElementType); element != known.ElementType {
			return &pgtype.MultirangeCodec{ElementType: element}
		}
		return known
	case *pgtype.CompositeCodec:
		fields, changed := slices.Clone(known.Fields), false
		for i, f := range fields {
			fields[i].Type = c.typ(f.Type)
			changed = changed || fields[i].Type != f.Type
		}
		if changed {
			return &pgtype.CompositeCodec{Fields: fields}
		}
		return known
	}
	of := reflect.TypeOf(codec)
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.PkgPath() == pgtypePath || of.Size() == 0 {
		return codec
	}
	return &lockedCodec{codec, c.lock}
}

// codecLock is held by the map, and so the goroutine, that uses one of a connection's
// foreign codecs. A codec that uses another one through its map has it already.
type codecLock struct {
	mu    sync.Mutex
	state sync.Mutex // of what follows
	owner *pgtype.Map
	depth int
}

func (l *codecLock) enter(m *pgtype.Map) {
	l.state.Lock()
	if l.owner == m {
		l.depth++
		l.state.Unlock()
		return
	}
	l.state.Unlock()
	l.mu.Lock()
	l.state.Lock()
	l.owner, l.depth = m, 1
	l.state.Unlock()
}

func (l *codecLock) leave() {
	l.state.Lock()
	l.depth--
	last := l.depth == 0
	if last {
		l.owner = nil
	}
	l.state.Unlock()
	if last {
		l.mu.Unlock()
	}
}

// lockedCodec is used by one map at a time.
type lockedCodec struct {
	pgtype.Codec
	lock *codecLock
}

// PlanEncode implements [pgtype.Codec].
func (c *lockedCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	c.lock.enter(m)
	defer c.lock.leave()
	plan := c.Codec.PlanEncode(m, oid, format, value)
	if plan == nil {
		return nil
	}
	return &lockedEncodePlan{plan, c.lock, m}
}

// PlanScan implements [pgtype.Codec].
func (c *lockedCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	c.lock.enter(m)
	defer c.lock.leave()
	plan := c.Codec.PlanScan(m, oid, format, target)
	if plan == nil {
		return nil
	}
	return &lockedScanPlan{plan, c.lock, m}
}

// DecodeDatabaseSQLValue implements [pgtype.Codec].
func (c *lockedCodec) DecodeDatabaseSQLValue(m *pgtype.Map, oid uint32, format int16, src []byte) (driver.Value, error) {
	c.lock.enter(m)
	defer c.lock.leave()
	return c.Codec.DecodeDatabaseSQLValue(m, oid, format, src)
}

// DecodeValue implements [pgtype.Codec].
func (c *lockedCodec) DecodeValue(m *pgtype.Map, oid uint32, format int16, src []byte) (any, error) {
	c.lock.enter(m)
	defer c.lock.leave()
	return c.Codec.DecodeValue(m, oid, format, src)
}

type lockedEncodePlan struct {
	plan pgtype.EncodePlan
	lock *codecLock
	m    *pgtype.Map
}

// Encode implements [pgtype.EncodePlan].
func (p *lockedEncodePlan) Encode(value any, buf []byte) ([]byte, error) {
	p.lock.enter(p.m)
	defer p.lock.leave()
	return p.plan.Encode(value, buf)
}

type lockedScanPlan struct {
	plan pgtype.ScanPlan
	lock *codecLock
	m    *pgtype.Map
}

// Scan implements [pgtype.ScanPlan].
func (p *lockedScanPlan) Scan(src []byte, target any) error {
	p.lock.enter(p.m)
	defer p.lock.leave()
	return p.plan.Scan(src, target)
}
