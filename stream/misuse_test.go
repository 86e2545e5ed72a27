package stream

import "testing"

// A writer without a destination fails instead of the first write.
func TestNilDestination(t *testing.T) {
	w := NewWriter(nil, Options{})
	w.BeginArray()
	w.EndArray()
	if w.Err() == nil || w.Flush() == nil || w.Close() == nil {
		t.Errorf("the errors are %v, %v and %v", w.Err(), w.Flush(), w.Close())
	}
}
