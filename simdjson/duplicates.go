package simdjson

import "strconv"

// compareUpTo is the number of members up to which each name is compared with
// those before it: more of them go into a set, so that a hostile object takes
// linear time.
const compareUpTo = 16

// rejectDuplicates returns an error for the first object, in the order of the
// text, that has two members of one name.
func (m *memory) rejectDuplicates() error {
	for i, w := range m.tape {
		if w.tag() != tagObject {
			continue
		}
		if second, ok := m.duplicate(i, m.tape[w.n()].n()); ok {
			name := m.tape[second]
			message := "duplicate object member name " + strconv.Quote(m.text(name))
			return newSyntaxError(m.data, int64(name.offset()), message)
		}
	}
	return nil
}

// duplicate returns the word of the first name of the object at i that an earlier
// member has.
func (m *memory) duplicate(i, members int) (word int, ok bool) {
	end := m.tape[i].n()
	if members <= compareUpTo {
		for at := i + 1; at < end; at = next(m.tape, at+1) {
			for before := i + 1; before < at; before = next(m.tape, before+1) {
				if m.sameName(m.tape[before], m.tape[at]) {
					return at, true
				}
			}
		}
		return 0, false
	}
	seen := make(map[string]struct{}, members)
	for at := i + 1; at < end; at = next(m.tape, at+1) {
		name := m.text(m.tape[at])
		if _, ok := seen[name]; ok {
			return at, true
		}
		seen[name] = struct{}{}
	}
	return 0, false
}

func (m *memory) sameName(a, b word) bool {
	if a.tag() == tagString && b.tag() == tagString {
		return string(m.raw(a)) == string(m.raw(b))
	}
	return m.text(a) == m.text(b)
}
