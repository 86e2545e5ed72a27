package simdjson

import "strconv"

// compareUpTo is the number of members up to which each name is compared with
// those before it: more of them go into a set, so that a hostile object takes
// linear time.
const compareUpTo = 16

// rejectDuplicates returns an error for the first object, in the order of the
// text, that has two members of one name.
func (d *Document) rejectDuplicates() error {
	for i, w := range d.tape {
		if w.tag() != tagObject {
			continue
		}
		if second, ok := d.duplicate(i, d.tape[w.n()].n()); ok {
			name := d.tape[second]
			return newSyntaxError(d.data, int64(name.offset()), "duplicate object member name "+strconv.Quote(d.text(name)))
		}
	}
	return nil
}

// duplicate returns the word of the first name of the object at i that an earlier
// member has.
func (d *Document) duplicate(i, members int) (word int, ok bool) {
	end := d.tape[i].n()
	if members <= compareUpTo {
		for at := i + 1; at < end; at = next(d.tape, at+1) {
			for before := i + 1; before < at; before = next(d.tape, before+1) {
				if d.sameName(d.tape[before], d.tape[at]) {
					return at, true
				}
			}
		}
		return 0, false
	}
	seen := make(map[string]struct{}, members)
	for at := i + 1; at < end; at = next(d.tape, at+1) {
		name := d.text(d.tape[at])
		if _, ok := seen[name]; ok {
			return at, true
		}
		seen[name] = struct{}{}
	}
	return 0, false
}

func (d *Document) sameName(a, b word) bool {
	if a.tag() == tagString && b.tag() == tagString {
		return string(d.data[a.offset():a.offset()+a.n()]) == string(d.data[b.offset():b.offset()+b.n()])
	}
	return d.text(a) == d.text(b)
}
