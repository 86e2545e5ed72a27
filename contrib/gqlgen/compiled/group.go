package compiled

import "github.com/99designs/gqlgen/graphql"

// group holds the objects at one place of the selection.
type group[T any] struct {
	place   *place[T]
	at      *level // of the objects
	objects []T
	columns []filled
	parents []itemContext // of the objects, for field middleware
}

// filled is a column of a group.
type filled struct {
	column column
	states []state             // of the calls; nil if all are present
	others []graphql.Marshaler // in place of values; nil if there are none
}

func newGroup[T any](f *filling, p *place[T], at *level, objects []T) *group[T] {
	g := &group[T]{place: p, at: at, objects: objects}
	if len(p.columns) > 0 && len(objects) > 0 {
		g.columns = make([]filled, len(p.columns))
		f.add(g)
	}
	return g
}

// run fills the columns, and those of the groups in them. Columns that cannot wait come first.
func (g *group[T]) run(x *run) {
	if x.plan.watched && g.at != nil {
		g.parents = make([]itemContext, len(g.objects))
		for i := range g.parents {
			g.parents[i] = itemContext{Context: x.base(g.at, i), run: x, at: g.at, index: i}
		}
	}
	for k, s := range g.place.columns {
		if !s.waits() {
			s.fill(x, g, k)
		}
	}
	waiting := g.place.waiting
	if len(waiting) == 1 {
		g.place.columns[waiting[0]].fill(x, g, waiting[0])
		return
	}
	x.workers.each(len(waiting), 0, func(i int) { g.place.columns[waiting[i]].fill(x, g, waiting[i]) })
}

// write writes an object, and reports whether all its fields are valid.
func (g *group[T]) write(w *Writer, i int) bool {
	doomed := w.doomed
	if g.place.streams && w.run.out != nil && g.lost(i) {
		w.doomed = true
	}
	w.buf = append(w.buf, '{')
	valid := g.writeFields(w, i, 0, len(g.place.steps))
	w.buf = append(w.buf, '}')
	w.doomed = doomed
	return valid
}

// lost reports whether an object is known to be null, because a field of it that has been filled
// must not be null but is.
func (g *group[T]) lost(i int) bool {
	for k := range g.columns {
		if g.place.columns[k].plan().info.lost(&g.columns[k], i) {
			return true
		}
	}
	return false
}

// writeFields writes the fields from step k to end.
func (g *group[T]) writeFields(w *Writer, i, k, end int) bool {
	valid := true
	for k < end {
		next, ok := g.writeFrom(w, i, k, end)
		k, valid = next, ok && valid
	}
	return valid
}

// writeFrom writes the fields from step k to end. It stops behind one that panics.
func (g *group[T]) writeFrom(w *Writer, i, k, end int) (next int, valid bool) {
	next, valid = k, true
	begin, doomed := w.pos(), w.doomed // before the field
	if !w.run.OmitPanicHandler {
		defer func() {
			if r := recover(); r != nil {
				p := g.place.steps[next].plan()
				w.run.recovered(w.run.context(&level{up: g.at, field: p}, i), r)
				w.truncate(begin)
				w.doomed = doomed // Objects below it may have left theirs.
				if p.info.nonNull() {
					valid, w.doomed = false, true
				} else if !p.hidden {
					w.key(p)
					w.null()
				}
				next++
			}
		}()
	}
	for ; next < end; next++ {
		s := g.place.steps[next]
		p := s.plan()
		begin, doomed = w.pos(), w.doomed
		w.key(p)
		if !s.write(w, g, i) {
			valid, w.doomed = false, true
		}
		if p.hidden {
			w.truncate(begin)
		}
	}
	return next, valid
}

// key writes the key of a field, with a comma if it is not the first.
func (w *Writer) key(p *planned) {
	if n := len(w.buf); n == 0 || w.buf[n-1] != '{' { // An empty buffer has been sent.
		w.buf = append(w.buf, ',')
	}
	w.buf = append(w.buf, p.key...)
}
