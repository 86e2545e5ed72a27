package reader

import (
	"encoding/binary"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// Postgres plans a prepared statement for the values of each of its first five executions. Then
// it compares what these plans have cost on average, and planning, with what a plan for any
// values would cost, and keeps the latter if it costs no more. A list that it does not know it
// takes for one of ten elements. Data loaders often ask for fewer, so their statements look
// cheaper planned for their values, and are planned at each execution, forever, although
// the plan is always the same and takes longer to make than to run.
//
// A session therefore prepares a statement with short lists a second time, and has the first
// five plans made for its lists repeated to ten elements: it binds them and executes nothing.
// Postgres compares like with like then, and still decides by itself: a statement that is better
// planned for its other values stays so.

const (
	assumedElements = 10 // of a list that Postgres does not know
	decidingPlans   = 5  // that Postgres makes before it compares
	// minRehearsed is the number of statements that may be prepared where one is rehearsed: a
	// guard, the statement, and the statement again.
	minRehearsed = 3
)

// rehearsal is a statement that is prepared again, behind a run of it.
type rehearsal struct {
	of, again *prepared
	begun     bool // its messages come
	parsed    bool
	failed    bool
}

// rehearse has a statement rehearsed behind a run if it is due: it has short lists, and was
// executed as often as Postgres waits. Texts that come less often are not worth it.
func (s *session) rehearse(r *run) {
	first := r.requests[0]
	if len(first.described.lists) == 0 || s.limit < minRehearsed || !s.due(r) {
		return
	}
	values, short := first.longer()
	g := s.guard(first.settings, 0)
	guardName, known := s.known(&g)
	if !short || !known {
		return
	}
	h, closes := s.begin(first)
	if h == nil {
		return
	}
	s.sendCloses(closes)
	if !g.Empty() {
		s.sendGuard(guardName, &g)
	}
	s.sendParse(h.again.name, first) // Literals and names mean what they do with the settings.
	for range decidingPlans {
		s.sendBind(h.again.name, first, values)
	}
	s.frontend.SendSync(&pgproto3.Sync{})
	r.rehearsal = h
	s.pipe.load.Add(1) // The connection does not end meanwhile.
	s.pipe.reader.counters.rehearsed.Add(1)
}

// due counts the executions of a run, and reports whether its statement may be rehearsed.
func (s *session) due(r *run) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.prepared[preparedKey{statement: r.requests[0].statement}]
	if of == nil || of.uses > decidingPlans {
		return false
	}
	of.uses = min(of.uses+len(r.requests), decidingPlans)
	return of.uses == decidingPlans
}

// known returns the name of a guard, and reports whether it needs none or is prepared.
func (s *session) known(g *guard.Guard) (name string, ok bool) {
	if g.Empty() {
		return "", true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := s.prepared[preparedKey{shape: g.Shape()}]
	if entry == nil {
		return "", false
	}
	return entry.name, true
}

// begin begins the only rehearsal of a request's statement, and returns the names of statements
// that make room. It returns nil if an error has had the statement discarded meanwhile.
func (s *session) begin(q *request) (_ *rehearsal, closes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.prepared[preparedKey{statement: q.statement}]
	if of == nil {
		return nil, nil
	}
	of.uses++ // Not again.
	h := &rehearsal{of: of}
	h.again, closes = s.add(preparedKey{statement: q.statement, rehearsed: true}, of.described, nil)
	return h, closes
}

// rehearses reports whether a message belongs to a rehearsal, and takes it in.
func (r *receiver) rehearses(message pgproto3.BackendMessage) bool {
	if r.batch == nil {
		return false
	}
	run := &r.batch.runs[r.at]
	h := run.rehearsal
	if h == nil || !h.begun {
		return false
	}
	switch m := message.(type) {
	case *pgproto3.ParseComplete:
		h.parsed = true
	case *pgproto3.BindComplete, *pgproto3.DataRow, *pgproto3.CommandComplete, *pgproto3.CloseComplete:
	case *pgproto3.ErrorResponse:
		if m.SeverityUnlocalized == "FATAL" || m.SeverityUnlocalized == "PANIC" {
			return false
		}
		h.failed = true
	case *pgproto3.ReadyForQuery:
		if m.TxStatus != 'I' {
			return false
		}
		r.use(h)
		r.endRehearsal(run)
		r.advanceTo(r.pipe.reader.now()) // What comes next has not taken that long.
		r.next()
	default:
		return false
	}
	return true
}

// use has a statement used as it was rehearsed, unless that failed or is too late.
func (s *session) use(h *rehearsal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prepared[h.again.key] != h.again {
		return // It made room, and is closed.
	}
	s.remove(h.again)
	if !h.parsed {
		return
	}
	if h.failed || s.prepared[h.of.key] != h.of {
		s.closing = append(s.closing, h.again.name)
		return
	}
	s.remove(h.of)
	s.closing = append(s.closing, h.of.name)
	h.again.key, h.again.uses = h.of.key, h.of.uses
	h.again.place = s.order.PushFront(h.again)
	s.prepared[h.again.key] = h.again
}

// endRehearsal takes in that no more of a rehearsal comes.
func (s *session) endRehearsal(r *run) {
	if r.rehearsal != nil {
		r.rehearsal = nil
		s.pipe.load.Add(-1)
	}
}

// lists returns which parameters are lists.
func lists(m *pgtype.Map, oids []uint32) (list []int) {
	for i, oid := range oids {
		if t, ok := m.TypeForOID(oid); ok {
			if _, ok := t.Codec.(*pgtype.ArrayCodec); ok {
				list = append(list, i)
			}
		}
	}
	return list
}

// longer returns the values of a request with the lists as long as Postgres takes one for, and
// reports whether one of them was shorter. Empty lists have nothing to repeat.
func (q *request) longer() (values [][]byte, short bool) {
	values = append(values, q.params.ParamValues...)
	for _, i := range q.described.lists {
		if i >= len(values) || i >= len(q.params.ParamFormats) || q.params.ParamFormats[i] != pgtype.BinaryFormatCode {
			continue
		}
		if longer, ok := repeat(values[i]); ok {
			values[i], short = longer, true
		}
	}
	return values, short
}

// repeat repeats the elements of a short list, in Postgres's binary form, until there are as
// many as Postgres takes one for. It reports false for what is no such list.
func repeat(list []byte) ([]byte, bool) {
	const header, size = 5 * 4, 3 * 4 // Dimensions, flags, type; of the dimension its size and first index.
	if len(list) < header || binary.BigEndian.Uint32(list) != 1 {
		return nil, false
	}
	n := int(binary.BigEndian.Uint32(list[size:]))
	if n < 1 || n >= assumedElements {
		return nil, false
	}
	longer := append([]byte(nil), list[:header]...)
	binary.BigEndian.PutUint32(longer[size:], assumedElements)
	rest := list[header:]
	for i := range assumedElements {
		if i%n == 0 {
			rest = list[header:]
		}
		end := 4
		if len(rest) >= end && int32(binary.BigEndian.Uint32(rest)) > 0 {
			end += int(binary.BigEndian.Uint32(rest))
		}
		if len(rest) < end {
			return nil, false
		}
		longer, rest = append(longer, rest[:end]...), rest[end:]
	}
	return longer, true
}
