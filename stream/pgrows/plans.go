package pgrows

import (
	"encoding/binary"
	"sync"

	"github.com/gqlboost/gqlboost/stream"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxPlans bounds what an Encoder remembers: queries that are new texts each
// time must not fill the memory.
const maxPlans = 512

// Encoder is Write with options. It keeps the plan of a query's columns. It is safe
// for concurrent use. Make one for the life of the program.
type Encoder struct {
	types typeSets
	mu    sync.RWMutex
	plans map[planKey]*object
	keys  sync.Pool
}

// planKey is what a plan depends on. The types are those of one connection: what
// pgx knows of them is not for several at a time.
type planKey struct {
	types   *types
	columns string
}

// NewEncoder returns an encoder with options.
func NewEncoder(o Options) *Encoder {
	return &Encoder{types: typeSets{options: o}, plans: map[planKey]*object{}, keys: sync.Pool{New: func() any { return new([]byte) }}}
}

// Write is the function of that name.
func (e *Encoder) Write(w *stream.Writer, rows pgx.Rows) (n int64, err error) {
	return write(w, rows, func() (*object, *types, error) {
		types := e.types.of(rows.TypeMap())
		root, err := e.plan(rows.FieldDescriptions(), types)
		return root, types, err
	})
}

func (e *Encoder) plan(fields []pgconn.FieldDescription, types *types) (*object, error) {
	key := e.keys.Get().(*[]byte)
	defer e.keys.Put(key)
	*key = appendColumns((*key)[:0], fields)
	e.mu.RLock()
	known := e.plans[planKey{types, string(*key)}]
	e.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	made, err := plan(fields, types)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.plans) >= maxPlans {
		clear(e.plans) // Connections have gone, or queries are made up: begin again.
	}
	e.plans[planKey{types, string(*key)}] = made
	return made, nil
}

// appendColumns appends what a plan needs of columns.
func appendColumns(to []byte, fields []pgconn.FieldDescription) []byte {
	for i := range fields {
		f := &fields[i]
		to = binary.LittleEndian.AppendUint32(to, f.DataTypeOID)
		to = append(to, byte(f.Format))
		to = append(append(to, f.Name...), 0) // Postgres's names have no zero byte.
	}
	return to
}
