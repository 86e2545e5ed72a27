package compiled

import "testing"

// TestRoomOfPlans sees that plans are kept as long as there is room for their fields, and that operations
// that are gone leave theirs to others.
func TestRoomOfPlans(t *testing.T) {
	var all plans
	var list []*variants
	kept := 0
	for range 100 {
		v := &variants{plans: map[conditions]*plan{}, kept: &all}
		for i := range uint64(3) {
			for range 2 { // Requests that come at once compile the same plan.
				v.keep(conditions{values: i}, &plan{fields: maxFields / 2})
			}
		}
		if len(v.plans) > 2 {
			t.Errorf("%d plans of one operation are kept", len(v.plans))
		}
		list, kept = append(list, v), kept+len(v.plans)
	}
	if n := all.fields.Load(); n != maxKept || kept != maxKept/(maxFields/2) {
		t.Errorf("%d plans with %d fields are kept", kept, n)
	}
	for _, v := range list {
		v.forget()
		v.keep(conditions{watched: true}, &plan{fields: 1}) // by a request that is still under way
	}
	if n := all.fields.Load(); n != 0 {
		t.Errorf("%d fields of operations that are gone", n)
	}
}
